#!/usr/bin/env bash
# run.sh: build and install libctm into a fresh folder, then build consumer.c and the example
# against what was installed: by pkg-config and by find_package, shared and static.
#
#   tests/consumer/run.sh [BUILD_FOLDER]     (default: a temporary one, removed at the end)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    work=$(cd "$1" && pwd)
else
    work=$(mktemp -d "${TMPDIR:-/tmp}/ctm-consumer-XXXXXX")
    trap 'rm -rf "$work"' EXIT
fi
prefix=$work/prefix
rm -rf "$prefix"

quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}

quietly cmake -S "$root" -B "$work/build" -DCTM_TESTS=OFF -DCTM_WERROR=ON \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib
quietly cmake --build "$work/build"
quietly cmake --install "$work/build"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
cc=${CC:-cc}
strict="-std=c11 -Wall -Wextra -Werror"
cd "$work"

run() { # run LABEL PROGRAM...: its output is shown only if it fails
    label=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok      $label: $(tail -n 1 "$work/out")"
    else
        cat "$work/out"
        echo "failed  $label"
        exit 1
    fi
}

for source in "$here/consumer.c" "$root"/examples/c/*.c; do
    name=$(basename "$source" .c)
    arguments=()
    if [ "$name" = merge_files ]; then
        arguments=(merged.ctm "$root/tests/data/v1.ctm" "$root/tests/data/v1.1.ctm")
    fi
    # shellcheck disable=SC2046,SC2086
    $cc $strict "$source" $(pkg-config --cflags --libs ctm) -o "$name-shared"
    run "$name, pkg-config, shared" env LD_LIBRARY_PATH="$prefix/lib" "./$name-shared" "${arguments[@]}"
    libraries=$(pkg-config --static --libs ctm | sed 's/-lctm/-l:libctm.a/')
    # shellcheck disable=SC2046,SC2086
    $cc $strict "$source" $(pkg-config --cflags ctm) $libraries -o "$name-static"
    run "$name, pkg-config, static" "./$name-static" "${arguments[@]}"
done
for library in ctm::ctm ctm::ctm_static; do
    rm -rf "$work/consumer"
    quietly cmake -S "$here" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" -DLIBRARY=$library
    quietly cmake --build "$work/consumer"
    run "consumer, find_package, $library" "$work/consumer/consumer"
done

# The headers compile as C++, and each compiles alone.
if command -v "${CXX:-c++}" >/dev/null; then
    for header in "$prefix"/include/ctm/*.h; do
        echo "#include <ctm/$(basename "$header")>" >header.cc
        "${CXX:-c++}" -Wall -Wextra -Werror "-I$prefix/include" -c header.cc -o header.o
    done
    echo "ok      headers in C++"
fi

# Only documented names are exported.
if nm -D --defined-only "$prefix/lib/libctm.so" | awk '{ print $3 }' | grep -v '^ctm_'; then
    echo "failed  names without the prefix are exported"
    exit 1
fi
for name in $(nm -D --defined-only "$prefix/lib/libctm.so" | awk '{ print $3 }'); do
    grep -qw "$name" "$prefix"/include/ctm/*.h || { echo "failed  $name is in no header"; exit 1; }
done
echo "ok      exported names"
