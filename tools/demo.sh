#!/bin/bash
# Sets up, builds, and traces a real program: see examples/demo/compile_stdlib.py. Takes the newest Python of
# 3.13, 3.12 and 3.11 that is there.
set -eu
cd "$(dirname "$0")/.."
while read -r version place; do
    case $place in - | sid:*) continue ;; esac
    echo "== Python $version ($place): installing into build/venv-$version"
    tools/venv.sh "$version" "$place"
    echo "== python -m ctracemalloc run --install examples/demo/compile_stdlib.py"
    exec "build/venv-$version/bin/python" -m ctracemalloc run --install -o build/demo.ctm \
        examples/demo/compile_stdlib.py "$@"
done < <(tools/pythons.sh 3.13 3.12 3.11)
echo "demo: no Python 3.11, 3.12 or 3.13 with its C headers was found" >&2
exit 1
