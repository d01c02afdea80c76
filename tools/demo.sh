#!/bin/bash
# Traces a real program: see examples/demo/compile_stdlib.py. Uses the newest Python of 3.11 to 3.13, or else 3.14 or
# 3.15, and installs only this package.
set -eu
cd "$(dirname "$0")/.."
tools/lacking.sh demo
while read -r version place; do
    case $place in - | sid:*) continue ;; esac
    echo "== Python $version ($place): installing into build/venv-demo-$version"
    tools/venv.sh --demo "$version" "$place"
    echo "== python -m ctracemalloc run --install examples/demo/compile_stdlib.py"
    exec "build/venv-demo-$version/bin/python" -m ctracemalloc run --install -o build/demo.ctm \
        examples/demo/compile_stdlib.py "$@"
done < <(tools/pythons.sh 3.13 3.12 3.11 3.14 3.15)
