#!/usr/bin/env python3
"""Tries each gate: it must pass on the sources as they are, and fail with one bad change of its kind.

Model: a bad change is a hook of .pre-commit-config.yaml, a file, and a text that is appended to that file. Each is made in a
clone of the project, and undone. A hook without a bad change is a failure, so that every gate is tried.

usage: try_gates.py [HOOK…]
"""

import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Bad = namedtuple("Bad", "hook file added why")

CHANGES = [
    Bad("clang-format", "src/libctm/base/status.c", "int  ctm_bad( void );\n", "spaces"),
    Bad(
        "clang-format",
        "src/libctm/base/status.c",
        "int ctm_bad(int a)\n{\n    if (a)\n        return 1;\n    return 0;\n}\n",
        "braces",
    ),
    Bad(
        "clang-tidy",
        "src/libctm/base/status.c",
        "int ctm_bad(const int *a)\n{\n    return a == 0 ? *a : 0;\n}\n",
        "NULL is read",
    ),
    Bad(
        "clang-tidy",
        "src/pyext/capture/freelist_tracer.c",
        "#if PYCTM_HAS_REF_TRACER\nint pyctm_bad(const int *a)\n{\n    return a == 0 ? *a : 0;\n}\n#endif\n",
        "NULL is read, on 3.13 and newer",
    ),
    Bad(
        "clang-tidy",
        "src/pyext/capture/track.c",
        "#if !PYCTM_HAS_REF_TRACER\nint pyctm_bad(const int *a)\n{\n    return a == 0 ? *a : 0;\n}\n#endif\n",
        "NULL is read, before 3.13",
    ),
    Bad("ruff-check", "python/ctracemalloc/formats/output.py", "import os\n", "an import that is not used, in the wrong place"),
    Bad("ruff-format", "python/ctracemalloc/formats/output.py", "bad = {'a' :1}\n", "quotes and spaces"),
    Bad("mypy", "python/ctracemalloc/formats/output.py", "def bad(a):\n    return a\n", "no types"),
    Bad("mypy", "python/ctracemalloc/__init__.py", 'BAD: int = "text"\n', "a wrong type in a module that a stub hides"),
    Bad("stubtest", "python/ctracemalloc/__init__.pyi", "def not_there() -> int: ...\n", "the extension has no such function"),
    Bad("codespell", "docs/tutorial/tutorial.md", "\nWe recieve it.\n", "a word"),  # codespell:ignore
    Bad("layers", "src/libctm/base/status.c", "#include <Python.h>\n", "the library sees Python"),
    Bad("layers", "src/libctm/base/utf8.c", '#include "tables/store.h"\n', "a folder includes a higher one"),
    Bad(
        "layers",
        "src/libctm/base/bytes.h",
        "struct ctmi_needs_another {\n    struct ctmi_store store;\n};\n",
        "a header that does not compile alone",
    ),
    Bad(
        "layers",
        "src/libctm/tracer/world.c",
        "void ctmi_circle(struct ctm_tracer *tracer)\n{\n    ctm_tracer_clear(tracer);\n}\n",
        "two files need each other",
    ),
    Bad("layers", "src/pyext/api/last.c", "int ctm_bad(void);\n", "a name of the extension with the library's prefix"),
    Bad("layers", "src/pyext/api/last.c", "#if PY_VERSION_HEX > 0\n#endif\n", "the version is asked outside of capture/frames"),
    Bad("layers", "src/pyext/capture/hot.h", "pyctm_capture *pyctm_bad(void);\n", "a header that does not compile alone"),
    Bad(
        "layers",
        "src/pyext/api/last.c",
        'PyObject *pyctm_bad(void)\n{\n    return PyImport_ImportModule("ctracemalloc._losses");\n}\n',
        "the extension imports the package",
    ),
    Bad(
        "layers",
        "src/libctm/query/order.c",
        "int ctmi_bad(void)\n{\n    static int n;\n    return n++;\n}\n",
        "state of a file",
    ),
    Bad("layers", "src/pyext/api/last.c", "PyObject *pyctm_bad;\n", "state of a file that may have none"),
    Bad(
        "layers",
        "src/pyext/api/ending.c",
        "static int calls;\nint pyctm_bad(void)\n{\n    return calls++;\n}\n",
        "a second state",
    ),
    Bad(
        "layers",
        "src/pyext/capture/freelist_tracer.c",
        "#if PYCTM_HAS_REF_TRACER\nint pyctm_bad = no_such_name;\n#endif\n",
        "a file that does not compile, on 3.13 and newer",
    ),
    Bad(
        "layers",
        "src/pyext/capture/frames/family_313.h",
        "#if PYCTM_FAMILY == 313\nenum { PYCTM_BAD = sizeof(struct no_such_struct) };\n#endif\n",
        "a header that only 3.13 includes does not compile",
    ),
    Bad(
        "hooks",
        "src/pyext/capture/track.c",
        "static void raises(void)\n{\n    PyErr_NoMemory();\n}\n\nvoid pyctm_between(void)\n{\n    raises();\n}\n\n"
        "/* HOOK: */\nvoid pyctm_bad(void)\n{\n    pyctm_between();\n}\n",
        "a hook raises, by way of two functions",
    ),
    Bad(
        "hooks",
        "src/pyext/capture/track.c",
        "/* HOOK: */\nvoid pyctm_bad(void (*function)(void))\n{\n    function();\n}\n",
        "a hook calls through a pointer that is not listed",
    ),
    Bad(
        "hooks",
        "src/pyext/capture/freelist_tracer.c",
        "#if PYCTM_HAS_REF_TRACER\n/* HOOK: */\nvoid pyctm_bad(void)\n{\n    PyErr_Clear();\n}\n#endif\n",
        "a hook of 3.13 and newer raises",
    ),
    Bad(
        "imports",
        "python/ctracemalloc/formats/kinds.py",
        "from ..render.text import units\n",
        "it imports a higher component",
    ),
    Bad("imports", "python/ctracemalloc/run/ending.py", "from ..cli import main\n", "an entry point is imported"),
    Bad(
        "imports",
        "python/ctracemalloc/formats/kinds.py",
        "def bad():\n    from . import output\n",
        "a circle, through an import in a function",
    ),
    Bad(
        "imports",
        "python/ctracemalloc/run/ending.py",
        "import importlib\nBAD = importlib.import_module('..cli.main', __package__)\n",
        "a module is imported by a name that is made at run time",
    ),
    Bad("imports", "python/ctracemalloc/run/ending.py", "BAD = sys.modules['ctracemalloc.cli.main']\n", "sys.modules has it"),
    Bad(
        "imports",
        "python/ctracemalloc/run/ending.py",
        "import ctracemalloc\nBAD = ctracemalloc.cli.main\n",
        "an attribute has it",
    ),
    Bad("imports", "python/ctracemalloc/render/html/page.py", "PAGE = 1\n", "a folder that is no package"),
    Bad(
        "imports",
        "python/ctracemalloc/blackbox/finding.py",
        "def bad(n):\n    return f'{n / 1024:.1f} KiB'\n",
        "a number with a unit, outside of render",
    ),
    Bad("imports", "python/ctracemalloc/model/sums.py", 'bad = f"{PEAK_BYTES}"\n', "the model makes a text"),
    Bad("imports", "python/ctracemalloc/model/sums.py", 'bad = ", ".join([PEAK_BYTES])\n', "the model joins texts"),
    Bad("imports", "python/ctracemalloc/model/sums.py", 'FORM = "%d"\nbad = FORM % 3\n', "the model formats with a name"),
    Bad("imports", "python/ctracemalloc/model/sums.py", "print(PEAK_BYTES)\n", "the model prints"),
    Bad("imports", "python/ctracemalloc/model/sums.py", "def bad(path):\n    return open(path)\n", "the model opens a file"),
    Bad("changes", "changes/a-word.improved.md", "It is better.\n", "a kind that there is not"),
    Bad("changes", "changes/a-word.fixed.md", "", "no text"),
    Bad("changes", "changes/a-word.fixed.rst", "It is better.\n", "no Markdown"),
    Bad("changes", "changes/123.fixed.md", "It is better.\n", "a number for a name"),
    Bad("changes", "changes/a-word.b.fixed.md", "It is better.\n", "a dot in the name"),
    Bad("changes", "changes/a-word.changed.md", "- better\n", "no sentence"),
    Bad("check-merge-conflict", "README.md", "\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other\n", "a conflict"),
    Bad("check-toml", "pyproject.toml", "[tool\n", "no TOML"),
    Bad("check-yaml", ".pre-commit-config.yaml.extra.yaml", "a: [\n", "no YAML"),
    Bad("check-added-large-files", "tests/data.bin", "x" * 3_000_000, "three megabytes"),
    Bad("end-of-file-fixer", "README.md", "\n\n\n", "empty lines at the end"),
    Bad("trailing-whitespace", "README.md", "A word \n", "a space at the end"),
]


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def must(*command, cwd):
    done = run(*command, cwd=cwd)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}")


def passes(pre_commit, clone, change):
    done = run(pre_commit, "run", change.hook, "--files", change.file, "--color", "never", cwd=clone)
    if "no files to check" in done.stdout:
        raise SystemExit(f"{change.hook} does not look at {change.file}\n{done.stdout}")
    return done.returncode == 0, done.stdout


def try_change(pre_commit, clone, change, known_good):
    """Returns None, or what is wrong with the gate. known_good: each (hook, file) that has passed as it is."""
    path = clone / change.file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before is not None and (change.hook, change.file) not in known_good:
        good, output = passes(pre_commit, clone, change)
        if not good:
            return f"it fails without the bad change:\n{output}"
        known_good.add((change.hook, change.file))
    path.parent.mkdir(exist_ok=True)
    path.write_text((before or "") + change.added, encoding="utf-8")
    must("git", "add", "-A", cwd=clone)
    good, _ = passes(pre_commit, clone, change)
    must("git", "reset", "-q", "--hard", cwd=clone)
    return "it passes with the bad change" if good else None


def hooks(config):
    return re.findall(r"\bid: ([\w-]+)", config.read_text(encoding="utf-8"))


def main():
    pre_commit = ROOT / "build/venv-lint/bin/pre-commit"
    if not pre_commit.exists():
        print("no build/venv-lint/bin/pre-commit: run `make lint` first")
        sys.exit(77)
    chosen = sys.argv[1:]
    failed = 0
    for name in sorted(set(hooks(ROOT / ".pre-commit-config.yaml")) - {change.hook for change in CHANGES}):
        print(f"FAIL: {name}: no bad change is tried on it")
        failed += 1
    changes = [change for change in CHANGES if not chosen or change.hook in chosen]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        must("git", "clone", "-q", str(ROOT), str(clone), cwd=ROOT)
        known_good = set()
        for change in changes:
            problem = try_change(str(pre_commit), clone, change, known_good)
            said = f"FAIL: {change.hook} ({change.why}): {problem}" if problem else f"ok: {change.hook}: {change.why}"
            print(said, flush=True)
            failed += problem is not None
    print(f"::counts passed={len(changes) - failed} failed={failed} skipped=0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
