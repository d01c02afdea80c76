#!/usr/bin/env python3
"""Tries each gate: it must pass on the sources as they are, and fail with one bad change of its kind.

Model: a bad change is a hook of .pre-commit-config.yaml, a file, a text that is appended to that file, and the file that the
hook is then run on: the same one, or one that includes it. Each is made in a clone of the project, and undone. A hook without a
bad change is a failure, so that every gate is tried.

usage: try_gates.py [HOOK…]
"""

import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Bad = namedtuple("Bad", "hook file added why seen_in", defaults=[None])

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
    *(
        Bad(
            "clang-tidy",
            header,
            f"#ifndef {name.upper()}\n#define {name.upper()}\n"
            f"static inline int {name}(int a)\n{{\n    return a == a;\n}}\n#endif\n",
            f"a header of {folder} compares a value with itself",
            seen_in=source,
        )
        for folder, name, header, source in (
            ("the library", "ctmi_bad", "src/libctm/base/bytes.h", "src/libctm/formats/layout.c"),
            ("the extension", "pyctm_bad", "src/pyext/capture/capture.h", "src/pyext/capture/track.c"),
        )
    ),
    Bad(
        "clang-tidy",
        "src/libctm/base/status.c",
        "#ifdef CTM_EMBEDDED\nint ctm_bad(const int *a)\n{\n    return a == 0 ? *a : 0;\n}\n#endif\n",
        "NULL is read, in the wheel only",
    ),
    Bad(
        "clang-tidy",
        "src/libctm/tables/store.c",
        "void ctmi_bad(int *a)\n{\n    CTMI_ASSERT((*a)++ == 0);\n}\n",
        "an assert changes a value",
    ),
    Bad(
        "clang-tidy",
        "src/pyext/capture/layers.c",
        "static inline int bad(void)\n{\n    return 1;\n}\n\nvoid pyctm_bad(void)\n{\n    PYCTM_ASSERT(bad());\n}\n",
        "only an assert calls it: clang warns",
    ),
    Bad("ruff-check", "python/ctracemalloc/formats/output.py", "import os\n", "an import that is not used, in the wrong place"),
    Bad("ruff-format", "python/ctracemalloc/formats/output.py", "bad = {'a' :1}\n", "quotes and spaces"),
    Bad("mypy", "python/ctracemalloc/formats/output.py", "def bad(a):\n    return a\n", "no types"),
    Bad("mypy", "python/ctracemalloc/__init__.py", 'BAD: int = "text"\n', "a wrong type in a module that a stub hides"),
    Bad("stubtest", "python/ctracemalloc/__init__.pyi", "def not_there() -> int: ...\n", "the extension has no such function"),
    Bad("codespell", "docs/tutorial/tutorial.md", "\nWe recieve it.\n", "a word"),  # codespell:ignore
    Bad("frontend", "frontend/src/text/format.ts", "export const bad: number = 'text';\n", "a text is no number"),
    Bad("frontend", "frontend/src/text/format.ts", "export var bad  = 1;\n", "form"),
    Bad("frontend", "frontend/test/text.test.ts", "test('bad', () => assert.equal(1, 2));\n", "a unit test fails"),
    Bad("frontend", "python/ctracemalloc/render/html/app.css", "b{c:d}\n", "what is checked in is not what its sources make"),
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
    *(
        Bad(
            "layers",
            "src/libctm/tracer/world.c",
            f"#ifdef {option}\nvoid ctmi_circle(struct ctm_tracer *tracer)\n{{\n    ctm_tracer_clear(tracer);\n}}\n#endif\n",
            f"two files need each other with {option}",
        )
        for option in ("CTM_ASSERTS", "CTM_EMBEDDED")
    ),
    Bad("layers", "src/pyext/api/last.c", "int ctm_bad(void);\n", "a name of the extension with the library's prefix"),
    Bad("layers", "src/pyext/api/last.c", "#if PY_VERSION_HEX > 0\n#endif\n", "the version is asked outside of capture/frames"),
    *(
        Bad("layers", file, added, why)
        for file, added, why in (
            ("src/libctm/base/status.c", '#define H "tables/store.h"\n#include H\n', "an #include is computed"),
            ("src/libctm/base/status.c", '#include "base/../tables/store.h"\n', "an #include leaves the folder by .."),
            ("src/libctm/base/status.c", '#import "base/bytes.h"\n', "an #import"),
            ("src/libctm/base/status.c", '#include/**/"tables/store.h"\n', "a comment in an #include"),
            ("src/libctm/base/bad.inc", "int ctmi_bad;\n", "a file that is neither a C file nor a header"),
            ("src/libctm/base/bad.h", "int ctmi_bad(void);\n", "a header without a guard"),
            ("src/libctm/base/status.c", "typedef struct _object PyObject;\n", "the library declares Python's names"),
            ("src/libctm/base/status.c", "int ctm;\n", "a variable of the library without a prefix"),
            ("src/libctm/base/status.c", "int bad(void)\n{\n    return 1;\n}\n", "a function of the library without a prefix"),
            ("src/pyext/api/last.c", "int bad(void)\n{\n    return 1;\n}\n", "a function of the extension without a prefix"),
            ("src/pyext/api/last.c", '__attribute__((visibility("default"))) int pyctm_bad;\n', "the extension exports a name"),
            (
                "include/ctm/bad.h",
                "#ifndef CTM_BAD_H\n#define CTM_BAD_H\nint ctm_bad(void);\n#endif\n",
                "declared, not defined",
            ),
            (
                "include/ctm/bad.h",
                "#ifndef CTM_BAD_H\n#define CTM_BAD_H\nenum ctm_bad { BAD };\n#endif\n",
                "a public enumerator",
            ),
            ("src/pyext/capture/track.c", '#include "types/types.h"\n', "a folder of the extension includes a higher one"),
            ("src/pyext/capture/track.c", "#include <tables/store.h>\n", "the extension includes the library's own header"),
            ("src/pyext/last.c", "int pyctm_bad;\n", "a C file outside of the folders"),
            ("src/pyext/api/last.c", "#if PYCTM_BUILT_FOR >= 0x030d\n#endif\n", "the version is asked in another way"),
            ("src/pyext/api/last.c", "#if PY_VERSION\\\n_HEX > 0\n#endif\n", "the version is asked in two lines"),
            (
                "src/pyext/api/last.c",
                "PyObject *pyctm_bad(const char *name)\n{\n    return PyImport_ImportModule(name);\n}\n",
                "the extension imports what a variable names",
            ),
            (
                "src/pyext/api/last.c",
                'int pyctm_bad(void)\n{\n    return PyRun_SimpleString("pass");\n}\n',
                "the extension runs a text",
            ),
        )
    ),
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
        "hooks",
        "src/libctm/tracer/events.c",
        '#include <stdio.h>\n/* HOOK: */\nvoid ctmi_bad(void)\n{\n#ifdef CTM_EMBEDDED\n    puts("");\n#endif\n}\n',
        "a hook of the library prints, in the wheel only",
    ),
    *(
        Bad("hooks", "src/pyext/capture/track.c", f"{before}\nvoid pyctm_bad(void)\n{{\n    PyErr_Clear();\n}}\n", why)
        for before, why in (
            ("/*HOOK:*/", "a mark without spaces"),
            ("// HOOK:", "a mark in a comment of one line"),
            ("/* A text.\n * HOOK: */", "a mark on the second line of a comment"),
            ("/* HOOK: */\n#define PYCTM_BAD", "a mark before a directive"),
            ("/* HOOK: */\n__attribute__((noinline))", "a mark before an attribute"),
            ("/* HOOK: */\nvoid pyctm_bad(void);\n", "a mark at a declaration"),
        )
    ),
    Bad("hooks", "src/pyext/capture/track.c", "/* HOOK: */\nint pyctm_bad = 1;\n", "a mark that names no function"),
    Bad(
        "hooks",
        "src/pyext/capture/hooks.c",
        "/* HOOK: */\nvoid pyctm_bad(void)\n{\n    void (*volatile bad)(void) = PyErr_Clear;\n    bad();\n}\n",
        "a hook calls through another pointer in a file of POINTERS",
    ),
    Bad(
        "hooks",
        "src/pyext/capture/layers.c",
        "static void *bad(void *context, size_t size)\n{\n    (void)context;\n    return PyMem_Malloc(size);\n}\n\n"
        "const PyMemAllocatorEx pyctm_bad = {.malloc = bad};\n",
        "an allocator without a mark allocates",
    ),
    Bad(
        "hooks",
        "src/pyext/capture/track.c",
        "/* HOOK: */\nvoid pyctm_bad(void)\n{\n    PyErr_Clear(), PyErr_Print(); /* HOOK-EXEMPT: a reason */\n}\n",
        "one exemption for two functions",
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
    file = change.seen_in or change.file
    done = run(pre_commit, "run", change.hook, "--files", file, "--color", "never", cwd=clone)
    if "no files to check" in done.stdout:
        raise SystemExit(f"{change.hook} does not look at {file}\n{done.stdout}")
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
