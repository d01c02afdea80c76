#!/bin/bash
# `make lint`: runs pre-commit, in the version of tools/requirements-lint.txt, on all files. .pre-commit-config.yaml is
# the list of the gates. With hook names: runs only those.
#
# usage: tools/lint.sh [HOOK…]
set -u
cd "$(dirname "$0")/.."
home=build/venv-lint

fail() {
    echo "lint: $*" >&2
    exit 1
}

git rev-parse --is-inside-work-tree >/dev/null 2>&1 || fail "pre-commit needs a git checkout of the project"
if ! cmp -s tools/requirements-lint.txt "$home/requirements"; then
    rm -rf "$home"
    python3 -m venv "$home" || fail "python3 -m venv does not work here (Debian: python3-venv)"
    "$home/bin/pip" install -q -r tools/requirements-lint.txt || fail "pre-commit cannot be installed"
    cp tools/requirements-lint.txt "$home/requirements"
fi
unknown=$(git ls-files --others --exclude-standard)
if [ -n "$unknown" ]; then
    printf 'lint: not looked at before `git add`:\n%s\n' "$unknown" >&2
fi
status=0
if [ $# = 0 ]; then
    "$home/bin/pre-commit" run --all-files --show-diff-on-failure --color never || status=1
fi
for hook in "$@"; do
    "$home/bin/pre-commit" run --all-files --color never "$hook" || status=1
done
exit $status
