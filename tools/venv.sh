#!/bin/bash
# Makes (or refreshes) the virtual environment build/venv-VERSION with what the tests need, and installs this package
# into it with pip, as a user would do. --light: without the packages in tests/requirements.txt, but with pytest.
# --demo: in build/venv-demo-VERSION, with this package only; the wheels of its build tools stay in that folder, so that
# only the first run needs a network.
#
# `made-by` in the folder is written when pip is installed: an environment without it is incomplete and is made anew,
# and so is one of another interpreter.
#
# usage: tools/venv.sh [--light | --demo] VERSION PYTHON
set -eu
cd "$(dirname "$0")/.."
how=
case $1 in
--light | --demo)
    how=$1
    shift
    ;;
esac
version=$1 python=$2
venv=build/venv-$version
[ "$how" != --demo ] || venv=build/venv-demo-$version
stamp=$venv/requirements.done
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

make_environment() {
    local maker
    maker=$("$python" -c 'import sys; print(sys.executable, sys.version)')
    if [ "$maker" = "$(cat "$venv/made-by" 2>/dev/null)" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    mkdir -p build
    rm -f "$venv/made-by"
    "$python" -m venv --clear "$venv"
    echo "$maker" >"$venv/made-by"
}

# All in one command, which takes half the time of one for each. A package without a wheel here must not prevent the
# installation of the others: if that fails, one by one.
install_requirements() {
    local missing='' line
    local install=("$venv/bin/python" -m pip install -q --only-binary :all:)
    cmp -s tests/requirements.txt "$stamp" && return
    "$venv/bin/python" -m pip install -q --upgrade pip || echo "venv $version: pip is not the newest"
    if ! "${install[@]}" -r tests/requirements.txt 2>/dev/null; then
        while read -r line; do
            line=${line%%#*} # behind it: why
            [ -n "${line// /}" ] || continue
            "${install[@]}" "$line" || missing="$missing $line"
        done <tests/requirements.txt
    fi
    if [ -n "$missing" ]; then
        echo "venv $version: not available:$missing"
    else
        cp tests/requirements.txt "$stamp"
    fi
}

# Installs what runs the tests.
install_pytest() {
    cmp -s tests/requirements-pytest.txt "$venv/pytest.done" && return
    "$venv/bin/python" -m pip install -q --only-binary :all: -r tests/requirements-pytest.txt
    cp tests/requirements-pytest.txt "$venv/pytest.done"
}

# Downloads into the folder of the build tools what is not there yet.
download() {
    local how=(download -q --only-binary :all: -d "$venv/builder")
    "$venv/bin/python" -m pip "${how[@]}" --no-index --find-links "$venv/builder" "$@" >/dev/null 2>&1 && return
    if ! "$venv/bin/python" -m pip "${how[@]}" "$@"; then
        echo "$* could not be downloaded: a network is needed the first time, or PIP_FIND_LINKS=FOLDER with the wheels" >&2
        exit 1
    fi
}

# Downloads the build requirements of pyproject.toml, and what these request: CMake and Ninja, if missing.
download_builder() {
    local needed wheels more
    needed=$(sed -n 's/^requires = \["\(.*\)"\]$/\1/p' pyproject.toml)
    mkdir -p "$venv/builder"
    download "$needed"
    wheels=$(printf '%s:' "$venv"/builder/*.whl)
    more=$(PYTHONPATH=$wheels "$venv/bin/python" -c '
from scikit_build_core.build import get_requires_for_build_wheel
print(*get_requires_for_build_wheel())')
    # shellcheck disable=SC2086
    [ -z "$more" ] || download $more
}

make_environment
case $how in
'') install_requirements ;;
--demo) download_builder ;;
esac
[ "$how" = --demo ] || install_pytest
# One build at a time for a version: this environment and the demo's share one build folder.
exec 9>"build/install-$version.lock"
flock 9
# Removes the files that a killed pip has renamed: pip would warn of them each time.
rm -rf "$venv"/lib/python3.*/site-packages/~*
# The version number does not change between two builds, so pip needs an option to replace the package.
if [ "$how" = --demo ]; then
    exec "$venv/bin/python" -m pip install -q --no-deps --force-reinstall --no-index --find-links "$PWD/$venv/builder" .
fi
"$venv/bin/python" -m pip install -q --no-deps --force-reinstall .
"$venv/bin/python" tests/pyext/fixtures/build.py
# Lets the tests of CPython's own suite trace their child processes too; inert without CTM_STANDIN.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
cp tests/conformance/cpython/standin.pth "$site/ctm_test_standin.pth"
