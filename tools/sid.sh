#!/bin/bash
# CPython 3.14 and 3.15 from Debian sid, in a folder of the project's own.
#
#   tools/sid.sh setup      make the folder, if it does not exist (needs root, debootstrap and network)
#   tools/sid.sh sync       copy the source tree into it, as /ctm
#   tools/sid.sh run CMD…   run CMD in it, in /ctm
#   tools/sid.sh fetch PATH DIR   copy PATH (below /ctm) out of it
#
# The folder is $CTM_SID, or build/sid. The tree is copied, not bind-mounted, so that removing the folder cannot remove
# the sources. `run` mounts /proc and /dev/shm in a mount namespace of its own where the system allows one, so that nothing
# stays mounted.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
sid=${CTM_SID:-$here/build/sid}
packages=gcc,libc6-dev,cmake,ninja-build,libasan8,libubsan1
for v in 3.14 3.15; do
    packages=$packages,python$v-dev,python$v-venv,libpython$v-testsuite
done

fail() {
    echo "sid: $*" >&2
    exit 3
}

# pip in the folder needs the resolver's settings and the certificates of this machine.
copy_network_files() {
    local bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
    mkdir -p "$sid/etc/ssl/certs"
    if [ -r "$bundle" ]; then
        cp -L "$bundle" "$sid/etc/ssl/certs/ca-certificates.crt"
    fi
    if [ -r /etc/resolv.conf ]; then
        cp -L /etc/resolv.conf "$sid/etc/resolv.conf"
    fi
}

setup() {
    [ "$(id -u)" = 0 ] || fail "a chroot needs root"
    if [ ! -x "$sid/usr/bin/python3.15" ]; then
        command -v debootstrap >/dev/null || fail "debootstrap is not installed"
        mkdir -p "$(dirname "$sid")"
        # An incomplete folder of a failed run must not look finished.
        rm -rf "$sid.new"
        debootstrap --variant=minbase --include="$packages" sid "$sid.new" >"$sid.log" 2>&1 ||
            fail "debootstrap failed: see $sid.log"
        mv "$sid.new" "$sid"
    fi
    copy_network_files
}

sync_tree() {
    # Without this check the copy would create the folder, and setup could not put the system there.
    [ -x "$sid/usr/bin/python3.15" ] || fail "no $sid yet: run setup first"
    mkdir -p "$sid/ctm"
    # Removes everything except what was built there, so that the copy has no deleted files.
    find "$sid/ctm" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
    tar -C "$here" --exclude=./build --exclude=./.git --exclude=__pycache__ -cf - . |
        tar -C "$sid/ctm" --no-same-owner -xf -
}

run() {
    local inside='mountpoint -q "$0/proc" || mount -t proc proc "$0/proc"
        mountpoint -q "$0/dev/shm" || mount -t tmpfs tmpfs "$0/dev/shm"
        mountpoint -q "$0/dev/pts" || mount -t devpts devpts "$0/dev/pts" || true
        exec chroot "$0" /usr/bin/env -u PIP_FIND_LINKS PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp \
            sh -c "cd /ctm && exec \"\$@\"" sh "$@"'
    [ "$(id -u)" = 0 ] || fail "a chroot needs root"
    [ -d "$sid/ctm" ] || fail "no source tree in $sid: run 'tools/sid.sh sync' first"
    if unshare --mount true 2>/dev/null; then
        exec unshare --mount sh -c "$inside" "$sid" "$@"
    fi
    exec sh -c "$inside" "$sid" "$@"
}

command=${1:-}
shift || true
case $command in
setup) setup ;;
sync) sync_tree ;;
run) run "$@" ;;
fetch) mkdir -p "$2" && cp -r "$sid/ctm/$1" "$2" ;;
*) fail "usage: tools/sid.sh setup | sync | run CMD… | fetch PATH DIR" ;;
esac
