#!/bin/bash
# Finds interpreters: one line per version asked for, "VERSION PATH", "VERSION sid:PATH" for one that
# lives in the Debian sid folder (see sid.sh), or "VERSION -" when there is none.
#
# Looked at in this order: $PYTHON313 and the like, PATH, pyenv's versions, the sid folder. What is
# found must be a GIL build of that version with its C headers.
#
# usage: tools/pythons.sh 3.11 3.12 …
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
sid=${CTM_SID:-$here/build/sid}

# Prints the interpreter's own path if it is usable, else fails.
probe() {
    "$1" -I - "$2" 2>/dev/null <<'EOF'
import os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
wanted = "%d.%d" % sys.version_info[:2] == sys.argv[1]
if not wanted or sysconfig.get_config_var("Py_GIL_DISABLED") or not os.path.exists(header):
    raise SystemExit(1)
print(sys.executable)
EOF
}

find_one() {
    local version=$1 variable=PYTHON${1/./} candidate path
    local candidates=("${!variable:-}" "$(command -v "python$version" || true)")
    if command -v pyenv >/dev/null; then
        for candidate in "$(pyenv root)"/versions/"$version".*/bin/python3; do
            candidates+=("$candidate")
        done
    fi
    for candidate in "${candidates[@]}"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ] && path=$(probe "$candidate" "$version"); then
            echo "$version $path"
            return
        fi
    done
    if [ -x "$sid/usr/bin/python$version" ]; then
        echo "$version sid:/usr/bin/python$version"
    else
        echo "$version -"
    fi
}

for version in "$@"; do
    find_one "$version"
done
