#!/usr/bin/env python3
"""Checks rules of the project that a compiler does not check.

- The library (src/libctm, include/ctm) includes no Python.h, and each folder only what LIBRARY_FOLDERS allows.
- The extension (src/pyext) includes only public headers of the library ("ctm/…") and its own, and imports nothing of
  the package.
- Prefixes of names: `ctm_` is public, `ctmi_` inside the library, `pyctm_` inside the extension.
- Each header compiles alone, those of the extension with each CPython whose headers are here; so do the C files.
- The compiled core has no undefined symbol of Python's.
- No two C files need each other at link level (tools/link_graph.py).
- The extension asks for CPython's version in src/pyext/capture/frames only.

check_hooks.py checks what hooks call.

Advice, which fails nothing: a source file of 600 lines or more may have more than one subject.

usage: check_layers.py [ROOT]
"""

import functools
import re
import shutil
import sys
from pathlib import Path

import c_sources
import link_graph

LONG = 600  # lines of a file
SOURCE_ENDINGS = (".c", ".h", ".py", ".pyi", ".sh")

# A folder of the library may include its own headers and those of the folders named here. A folder names only folders listed
# before it, so there are no circles.
LIBRARY_FOLDERS = {
    "base": set(),
    "tables": {"base"},
    "blockmap": {"base"},
    "snapshot": {"base", "tables"},
    "query": {"base", "tables", "snapshot"},
    "export": {"base", "tables", "snapshot"},
    "formats": {"base", "tables", "snapshot"},
    "tracer": {"base", "tables", "blockmap", "snapshot"},
    "sinks": {"base", "tables", "tracer", "formats"},
}
SYSTEM_HEADERS = {
    "assert.h", "ctype.h", "endian.h", "errno.h", "fcntl.h", "inttypes.h", "limits.h", "math.h", "pthread.h",
    "sched.h", "signal.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h",
    "string.h", "sys/file.h", "sys/mman.h", "sys/resource.h", "sys/stat.h", "sys/syscall.h",
    "sys/types.h", "sys/uio.h", "time.h", "unistd.h",
}  # fmt: skip
BUILD_OPTIONS = {"CTM_ASSERTS", "CTM_EMBEDDED"}


def includes(path):
    """(line, name, is in quotes) of each #include."""
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', text, re.M):
        yield text.count("\n", 0, match.start()) + 1, match.group(2), match.group(1) == '"'


def check_public_headers(root):
    for path in sorted((root / "include").rglob("*.h")):
        for line, name, quoted in includes(path):
            good = name.startswith("ctm/") if quoted else name in SYSTEM_HEADERS
            if not good:
                yield path, line, f"a public header includes {name}"


def check_library(root):
    base = root / "src" / "libctm"
    folders = list(LIBRARY_FOLDERS)
    for position, folder in enumerate(folders):
        for other in sorted(LIBRARY_FOLDERS[folder] - set(folders[:position])):
            yield base / folder, 1, f"LIBRARY_FOLDERS lets '{folder}' include '{other}', which is not listed before it"
    for path in sorted([*base.rglob("*.c"), *base.rglob("*.h")]):
        folder = path.parent.relative_to(base).as_posix()
        if folder not in LIBRARY_FOLDERS:
            yield path, 1, f"src/libctm/{folder} is not in LIBRARY_FOLDERS of check_layers.py"
            continue
        for line, name, quoted in includes(path):
            if not quoted:
                if name not in SYSTEM_HEADERS:
                    yield path, line, f"the library includes <{name}>"
            elif name.split("/")[0] not in LIBRARY_FOLDERS[folder] | {folder, "ctm"}:
                yield path, line, f"the folder '{folder}' of the library includes {name}"


def check_extension(root):
    base = root / "src" / "pyext"
    own = {path.relative_to(base).as_posix() for path in base.rglob("*.h")}
    for path in sorted([*base.rglob("*.c"), *base.rglob("*.h")]):
        for line, name, quoted in includes(path):
            if quoted and not (name.startswith(("ctm/", "internal/")) or name in own):
                yield path, line, f"the extension includes {name}, which is neither its own nor public"
        text = c_sources.blank_comments(path.read_text(encoding="utf-8"))
        for found in re.finditer(r'\bPyImport_Import\w*\(\s*"ctracemalloc', text):
            line = text.count("\n", 0, found.start()) + 1
            yield path, line, "the extension imports the package: _provide.py has the functions that it may call"


def check_versions(root):
    base = root / "src" / "pyext"
    for path in sorted([*base.rglob("*.c"), *base.rglob("*.h")]):
        if path.is_relative_to(base / "capture" / "frames"):
            continue
        for number, line in enumerate(c_sources.blank_comments(path.read_text(encoding="utf-8")).splitlines(), 1):
            found = re.search(r"\bPY_(VERSION_HEX|M[A-Z]+_VERSION)\b", line)
            if found:
                yield path, number, f"{found[0]} is asked here: define a property in capture/frames/versions.h"


def names_of(path):
    """The names with a prefix of the project, outside of comments."""
    return set(re.findall(r"\b((?:py)?ctmi?_\w+|(?:PY)?CTMI?_\w+)", c_sources.blank_comments(path.read_text(encoding="utf-8"))))


def check_prefixes(root):
    public = {name for path in (root / "include").rglob("*.h") for name in names_of(path)} | BUILD_OPTIONS
    for folder, own in (("src/libctm", ("ctmi_", "CTMI_")), ("src/pyext", ("pyctm_", "PYCTM_"))):
        base = root / folder
        for path in sorted([*base.rglob("*.c"), *base.rglob("*.h")]):
            for name in sorted(names_of(path) - public):
                if not name.startswith(own):
                    yield path, 1, f"{name} is neither public nor has the prefix {own[0]}"
    for path in sorted((root / "include").rglob("*.h")):
        for name in sorted(names_of(path)):
            if not name.startswith(("ctm_", "CTM_")):
                yield path, 1, f"the public header has the name {name}"


def long_files(root):
    for folder in ("include", "src", "python", "tests", "tools", "benchmarks", "examples"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCE_ENDINGS and path.is_file():
                count = len(path.read_bytes().splitlines())
                if count >= LONG:
                    yield path, count, f"{count} lines: more than one subject?"


def builds():
    """(folder, build) of all that is compiled."""
    return [(folder, build) for folder in link_graph.FOLDERS for build in c_sources.builds_of(folder)]


def check_headers(root):
    """Each header must compile alone, without another one included before it."""
    for folder, build in [("include", c_sources.SHIPPED), *builds()]:
        for name, said in sorted(c_sources.headers_that_need_others(root, folder, build).items()):
            yield root / name, 1, f"{build.name}: does not compile alone:\n{said}"


@functools.cache
def compiled(root):
    """[(build, symbols, broken files)] of each build."""
    return [(build, *c_sources.symbols_of(root, folder, build)) for folder, build in builds()]


def check_symbols(root):
    for build, symbols, broken in compiled(root):
        for name, said in broken.items():
            yield root / name, 1, f"{build.name}: does not compile:\n{said}"
        for name, (_, undefined) in symbols.items():
            if not c_sources.needs_python(name):
                for symbol in sorted(undefined):
                    if re.match(r"_?Py", symbol):
                        yield root / name, 1, f"the core needs Python's {symbol}"


def check_circles(root):
    libraries = [(build, symbols) for build, symbols, _ in compiled(root) if build.headers is None]
    for build, symbols, _ in compiled(root):
        for library, others in libraries if build.headers else ():
            for name, problem in link_graph.problems_of(link_graph.edges_of({**others, **symbols})):
                yield root / name, 1, f"{build.name}, {library.name}: {problem}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    checks = [check_public_headers, check_library, check_extension, check_versions, check_prefixes]
    able = c_sources.compiler() is not None and shutil.which("nm") is not None and bool(c_sources.pythons())
    if able:
        checks += [check_headers, check_symbols, check_circles]
        c_sources.tell_unseen()
    passed = failed = 0
    for check in checks:
        problems = list(check(root))
        for path, line, problem in problems:
            print(f"{path.relative_to(root)}:{line}: {problem}")
        passed, failed = passed + (not problems), failed + bool(problems)
        print(f"{'ok' if not problems else 'FAILED'}: {check.__name__}")
    for path, _, advice in long_files(root):
        print(f"advice: {path.relative_to(root)}: {advice}")
    print(f"::counts passed={passed} failed={failed} skipped=0")
    if not able and not failed:
        print("no C compiler, nm or Python.h: headers, symbols and circles were not looked at")
        return c_sources.COULD_NOT_RUN
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
