#!/bin/bash
# Makes (or refreshes) the virtual environment build/venv-VERSION with what the tests need, and
# installs this package into it with pip, as a user would.
#
# usage: tools/venv.sh VERSION PYTHON
set -eu
cd "$(dirname "$0")/.."
version=$1 python=$2
venv=build/venv-$version
stamp=$venv/requirements.done
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

if [ ! -x "$venv/bin/python" ]; then
    mkdir -p build
    "$python" -m venv --clear "$venv"
fi
if ! cmp -s tests/requirements.txt "$stamp"; then
    "$venv/bin/python" -m pip install -q --upgrade pip || echo "venv $version: pip is not the newest"
    # One by one: a package without a wheel here must not take the others with it.
    missing=
    while read -r line; do
        case $line in '' | '#'*) continue ;; esac
        "$venv/bin/python" -m pip install -q --only-binary :all: "$line" || missing="$missing $line"
    done <tests/requirements.txt
    if [ -n "$missing" ]; then
        echo "venv $version: not available:$missing"
    else
        cp tests/requirements.txt "$stamp"
    fi
fi
# One build at a time: setuptools uses one folder for all versions.
exec 9>build/install.lock
flock 9
# The version number does not change between two builds, so pip has to be told to replace it.
"$venv/bin/python" -m pip install -q --no-deps --force-reinstall .
"$venv/bin/python" tests/ext/build.py
# Lets the tests of CPython's own suite trace their child processes too; inert without CTM_STANDIN.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
cp tests/cpython/standin.pth "$site/ctm_test_standin.pth"
