#!/bin/bash
# Formatting, style, types and layers; --fix lets the formatters rewrite files. A tool that is not installed is named.
set -u
cd "$(dirname "$0")/.."
status=0 fix=${1:-}
mapfile -t c_files < <(find include src tests examples bench -name '*.[ch]' | sort)

step() {
    echo "== $*"
    "$@" || status=1
}

# The tool from PATH, or from the environment that `make lint` keeps for them.
tool() {
    if command -v "$1" >/dev/null; then
        command -v "$1"
        return
    fi
    if [ ! -x "build/venv-lint/bin/$1" ]; then
        [ -x build/venv-lint/bin/pip ] || python3 -m venv build/venv-lint
        build/venv-lint/bin/pip install -q "$1" >&2
    fi
    echo "build/venv-lint/bin/$1"
}

if command -v clang-format >/dev/null; then
    if [ "$fix" = --fix ]; then
        step clang-format -i "${c_files[@]}"
    else
        echo "== clang-format --dry-run -Werror (${#c_files[@]} files)"
        clang-format --dry-run -Werror "${c_files[@]}" || status=1
    fi
else
    echo "lint: clang-format is not installed: formatting of C was not checked"
fi
if ruff=$(tool ruff); then
    step "$ruff" check ${fix:+--fix} python tests tools examples bench setup.py
else
    echo "lint: ruff cannot be had: Python style was not checked"
fi
if mypy=$(tool mypy); then
    step "$mypy" --strict python/ctracemalloc
else
    echo "lint: mypy cannot be had: types were not checked"
fi
step python3 tools/check_layers.py
exit $status
