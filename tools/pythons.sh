#!/bin/bash
# Finds interpreters. Prints one line for each version given: "VERSION PATH"; "VERSION sid:PATH" for one in the Debian
# sid folder (see sid.sh); or "VERSION -" when there is none.
#
# Searched in this order: $PYTHON313 and the like, PATH (python3.13, then python3), pyenv's versions, the sid folder. An
# interpreter is usable if it is a GIL build of that version and has its C headers, ensurepip for virtual environments
# (Debian has these in separate packages) and the compiler that built it, or $CC.
#
# usage: tools/pythons.sh 3.11 3.12 …
#        tools/pythons.sh --lacking 3.11 3.12 …    what the unusable interpreters lack: lines of
#                                                  "VERSION PATH PACKAGE…", with Debian's package names
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
sid=${CTM_SID:-$here/build/sid}
lacking=
if [ "${1:-}" = --lacking ]; then
    lacking=yes
    shift
fi

# Prints the interpreter's own path and the packages that it lacks; fails if its kind or version is another.
probe() {
    "$1" -I - "$2" 2>/dev/null <<'EOF'
import importlib.util, os, shutil, sys, sysconfig
version = "%d.%d" % sys.version_info[:2]
if version != sys.argv[1] or sysconfig.get_config_var("Py_GIL_DISABLED") or sys.implementation.name != "cpython":
    raise SystemExit(1)
header = os.path.join(sysconfig.get_path("include"), "Python.h")
lacks = [] if os.path.exists(header) else ["python%s-dev" % version]
if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
    lacks.append("python%s-venv" % version)
compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
if shutil.which(compiler) is None:
    lacks.append("clang" if "clang" in compiler else "gcc")
print(sys.executable, *lacks)
EOF
}

# Prints the interpreters that may be of this version, one a line.
candidates() {
    local version=$1 variable=PYTHON${1/./}
    echo "${!variable:-}"
    command -v "python$version"
    command -v python3
    if command -v pyenv >/dev/null; then
        ls -d "$(pyenv root)"/versions/"$version".*/bin/python3 2>/dev/null
    fi
}

# Prints the first usable interpreter, or with --lacking the first unusable one.
find_one() {
    local version=$1 candidate found first_lacking=
    while read -r candidate; do
        [ -n "$candidate" ] && [ -x "$candidate" ] || continue
        found=$(probe "$candidate" "$version") || continue
        if [ "${found#* }" = "$found" ]; then
            [ -n "$lacking" ] || echo "$version $found"
            return
        fi
        first_lacking=${first_lacking:-$version $found}
    done < <(candidates "$version")
    if [ -n "$lacking" ]; then
        [ -z "$first_lacking" ] || echo "$first_lacking"
    elif [ -x "$sid/usr/bin/python$version" ]; then
        echo "$version sid:/usr/bin/python$version"
    else
        echo "$version -"
    fi
}

for version in "$@"; do
    find_one "$version"
done
exit 0
