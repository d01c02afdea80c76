#!/bin/bash
# Builds the C core with its benchmark, optimized as the extension is, and runs it pinned.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build
# shellcheck disable=SC2046
gcc -std=c11 -O2 -flto=auto -D_GNU_SOURCE -pthread -Iinclude -Isrc/libctm benchmarks/core/bench_core.c \
    $(find src/libctm -name '*.c') -lm -o build/bench_core
exec build/bench_core
