#!/bin/bash
# The browser side of the HTML pages (frontend): checks types, lint and format, runs the unit tests, builds, and compares what
# is built with what is checked in (FILES, in python/ctracemalloc/render/html), so that users need no node.
#
# The tools are those of frontend/package-lock.json, in build/frontend. Exits 77 if this machine has no node or npm.
#
# usage: tools/check_frontend.sh [--write]    --write: put what is built into the package
set -eu
cd "$(dirname "$0")/.."
home=build/frontend
target=python/ctracemalloc/render/html
FILES="app.js app.css tests.js tests.css"

for tool in node npm; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "frontend: not checked, because this machine has no $tool"
        exit 77
    fi
done
mkdir -p "$home"
if ! cmp -s frontend/package-lock.json "$home/installed"; then
    cp frontend/package.json frontend/package-lock.json "$home"
    (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp frontend/package-lock.json "$home/installed"
fi
bin=$PWD/$home/node_modules/.bin

"$bin/tsc" -p frontend
(cd frontend && "$bin/biome" check --error-on-warnings .)

rm -rf "$home/test" "$home/out"
"$bin/esbuild" frontend/test/*.test.ts --bundle --platform=node --format=esm --out-extension:.js=.mjs --outdir="$home/test" --log-level=warning
node --test --test-reporter=spec "$home"/test/*.mjs

script() { # SOURCE NAME
    "$bin/esbuild" "frontend/src/$1" --bundle --format=iife --target=es2022 --minify --legal-comments=none \
        --outfile="$home/out/$2" --log-level=warning
}
script main.ts app.js
script tests.ts tests.js
for name in app tests; do
    "$bin/esbuild" "frontend/src/$name.css" --minify --outfile="$home/out/$name.css" --log-level=warning
done
if [ "${1:-}" = --write ]; then
    for file in $FILES; do
        cp "$home/out/$file" "$target"
    done
fi
for file in $FILES; do
    if ! cmp -s "$home/out/$file" "$target/$file"; then
        echo "frontend: $target/$file is not what frontend/src makes: run tools/check_frontend.sh --write" >&2
        exit 1
    fi
done
