#!/bin/bash
# Prints what this machine lacks, as Debian's package names, before the target begins. Exit status 1: it cannot be made.
#
# usage: tools/lacking.sh TARGET      a target of the Makefile: demo, build, test, test-all, test-long
set -u
cd "$(dirname "$0")/.."
versions="3.11 3.12 3.13 3.14 3.15"
least_cmake=$(sed -n 's/^cmake_minimum_required(VERSION \(.*\))$/\1/p' CMakeLists.txt)
needed=() useful=() builders=() note=

has() {
    command -v "$1" >/dev/null
}

# Prints each word once, at its first position.
each_once() {
    printf '%s\n' "$@" | awk '!seen[$0]++ { printf "%s%s", space, $0; space = " " }'
}

# If a compiler finds no <stdio.h>, the headers of the C library are missing.
look_for_compiler() {
    local compiler
    for compiler in "${CC:-}" cc gcc clang; do
        if [ -n "$compiler" ] && has "${compiler%% *}"; then
            echo '#include <stdio.h>' | $compiler -E - >/dev/null 2>&1 || needed+=(libc6-dev)
            return
        fi
    done
    needed+=(gcc libc6-dev)
}

# All outputs are below build/.
check_place() {
    local folder
    for folder in . build; do
        if [ -e "$folder" ] && ! { [ -d "$folder" ] && [ -w "$folder" ]; }; then
            echo "make $1: this user cannot write to $PWD/$folder: take a copy of the sources of your own (cp -r)" >&2
            exit 1
        fi
    done
}

# One usable Python is enough. If there is none, the packages are those of the Python that lacks the fewest.
look_for_python() {
    local found
    # shellcheck disable=SC2086
    found=$(tools/pythons.sh $versions | grep -v -e ' -$' -e ' sid:')
    [ -n "$found" ] && return
    # shellcheck disable=SC2086
    found=$(tools/pythons.sh --lacking $versions | awk '{ print NF, $0 }' | sort -n -s | head -n 1 | cut -d' ' -f4-)
    if [ -n "$found" ]; then
        # shellcheck disable=SC2206
        needed+=($found)
    elif has python3; then
        note="    python3 is $(python3 -c 'import sys; print(sys.version.split(" (")[0])' 2>&1 | tail -n 1), and no other was found:
    CPython 3.11 to 3.15 (not free-threaded) is needed, with its python3.X-dev and python3.X-venv"
    else
        needed+=(python3-dev python3-venv)
    fi
}

# The tools that build the package. A tool that is missing or too old is downloaded by pip from the package index.
look_for_builders() {
    local cmake
    cmake=$(cmake --version 2>/dev/null | sed -n 's/^cmake version \([0-9.]*\).*/\1/p')
    [ "$(printf '%s\n' "$least_cmake" "${cmake:-0}" | sort -V | head -n 1)" = "$least_cmake" ] || builders+=(cmake)
    has ninja || builders+=(ninja-build)
}

# Packages for the tests of the core, of its installation and of the cost: without them these tests are skipped.
look_for_tools() {
    local pair
    for pair in cmake:cmake clang:clang pkg-config:pkg-config valgrind:valgrind nm:binutils; do
        has "${pair%%:*}" || useful+=("${pair##*:}")
    done
}

# Where the machine has no 3.14 and 3.15, Debian sid's are used; the zoo uses Debian's releases.
look_for_debootstrap() {
    has debootstrap || useful+=(debootstrap)
}

check_place "$1"
look_for_compiler
look_for_python
look_for_builders
case $1 in test*) look_for_tools ;; esac
case $1 in test-*) look_for_debootstrap ;; esac
if [ -n "$note" ] || [ ${#needed[@]} != 0 ]; then
    echo "make $1: this machine lacks what is needed. On Debian:" >&2
    [ -z "$note" ] || echo "$note" >&2
    [ ${#needed[@]} = 0 ] || echo "    apt-get install --no-install-recommends $(each_once "${needed[@]}" "${builders[@]}" "${useful[@]}")" >&2
    exit 1
fi
if [ ${#builders[@]} != 0 ]; then
    echo "make $1: pip downloads what this machine does not have to build with (CMake: 30 MB). Or on Debian:"
    echo "    apt-get install --no-install-recommends ${builders[*]}"
fi
if [ ${#useful[@]} != 0 ]; then
    echo "make $1: some tests are skipped for want of packages. On Debian:"
    echo "    apt-get install --no-install-recommends ${useful[*]}"
fi
