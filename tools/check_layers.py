#!/usr/bin/env python3
"""Checks rules of the project that a compiler does not check.

- The library (src/libctm, include/ctm) includes no Python.h and declares nothing of Python's, and each folder includes only
  what LIBRARY_FOLDERS allows.
- The extension (src/pyext) includes only public headers of the library ("ctm/…") and its own, each folder those that
  EXTENSION_FOLDERS allows. It imports the modules of IMPORTED, and nothing of the package.
- An #include names a header and is not computed; each header has a guard; all C files are in a folder of a list.
- Prefixes of names: `ctm_` is public, `ctmi_` inside the library, `pyctm_` inside the extension. Each function that is declared
  in a public header is defined. The extension asks for no symbol to be exported but PyInit.
- Each header compiles alone, those of the extension with each CPython whose headers are here; so do the C files.
- The compiled core has no undefined symbol of Python's.
- No two C files need each other at link level (tools/link_graph.py).
- No C file has state of its own but those of PROCESS_STATE: state is in objects that are passed.
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
# The same for the folders of the extension. Any may include the library's public headers; "internal" is CPython's.
EXTENSION_FOLDERS = {
    "capture": {"capture/frames", "capture/patch", "capture/stackcache", "internal"},
    "capture/frames": {"capture", "internal"},
    "capture/patch": set(),
    "capture/stackcache": {"capture", "capture/frames"},
    "types": {"capture/frames"},
    "api": {"capture", "capture/frames", "types"},
}
SYSTEM_HEADERS = {
    "assert.h", "ctype.h", "endian.h", "errno.h", "fcntl.h", "inttypes.h", "limits.h", "math.h", "pthread.h",
    "sched.h", "signal.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h",
    "string.h", "sys/file.h", "sys/mman.h", "sys/resource.h", "sys/stat.h", "sys/syscall.h",
    "sys/types.h", "sys/uio.h", "time.h", "unistd.h",
}  # fmt: skip
# What the extension may import or look up. All else goes through the functions of _provide.py.
IMPORTED = {
    *(f'PyImport_ImportModule("{name}")' for name in ("_tracemalloc", "fnmatch", "io", "linecache")),
    "PyImport_ImportModule(module_name)",  # in import_attribute
    *(f'import_attribute("{name}"' for name in ("collections.abc", "os")),
    "PyImport_GetModule(state->package_name)",
    'PySys_GetObject("exit")',
}
IMPORTS = re.compile(r"\b(_?PyImport_\w+|PyRun_\w+|_?Py_CompileString\w*|PyEval_EvalCode\w*|_?PySys_Get\w+|import_attribute)\(")
IMPORT_TEXT = re.compile(r'"((import|from) \w|[^"]*sys\.modules|modules")')
VERSION = re.compile(
    r"\b(PY_VERSION\w*|PY_M[A-Z]+_VERSION|PY_RELEASE_\w+|PYTHON_A[BP]I_VERSION|Py_Version|Py_GetVersion|PYCTM_BUILT_FOR"
    r"|hexversion|version_info)\b"
)
# Outside of capture/frames: the import is refused if the version is another one, and a message names it.
VERSION_ASKED = {"src/pyext/api/module.c": {"Py_Version", "PYCTM_BUILT_FOR"}, "src/pyext/capture/capture.c": {"Py_GetVersion"}}
EXPORTS = re.compile(
    r'visibility\("(?!hidden)\w+"\)|GCC visibility|\bPy_EXPORTED_SYMBOL\b|\bPyMODINIT_FUNC(?! PyInit__ctracemalloc\()'
)
OPCODES = re.compile(r"_PyOpcode_\w+")  # tables that CPython's headers define in the file that asks for them
ARROW = re.compile(r"Arrow\w+|ARROW_\w+")  # names of the Arrow C data interface in a public header
BUILD_OPTIONS = {"CTM_ASSERTS", "CTM_EMBEDDED"}
# The files that may have variables that outlive a call, which of them, and why the state is the process's. A file of the
# extension may have CPython's tables of methods, slots, members and types too, which CPython declares as not constant.
PROCESS_STATE = {
    "src/libctm/base/memory.c": (("refuses_hook",), "a test replaces the allocator of the process"),
    "src/libctm/base/sizes.c": (("in_use",), "a test replaces the sizes of tables, before any table is made"),
    "src/libctm/sinks/black_box_signal.c": (("the_sigbus",), "a signal handler"),
    "src/pyext/api/ending.c": (("the_end",), "slots of SystemExit and an audit hook, which stay for ever"),
    "src/pyext/api/process_calls.c": (("calls",), "method tables of posix, which stay for ever"),
    "src/pyext/api/resend.c": (("the_resend",), "a signal handler"),
    "src/pyext/capture/code_deaths.c": (("the_code_dealloc",), "a slot of the type of code objects"),
    "src/pyext/capture/event_owner.c": (("threads",), "threads get shards in turn, and are the process's"),
    "src/pyext/capture/freelist_patch.c": (("the_patch",), "redirected functions of CPython"),
    "src/pyext/capture/freelist_tracer.c": (("the_tracers",), "CPython's reference tracer, one per process"),
    "src/pyext/capture/hooks.c": (("pyctm_the_originals",), "CPython's allocators; read at each event"),
    "src/pyext/capture/patch/detour.c": (("the_stubs",), "code that is redirected for ever"),
    "src/pyext/capture/patch/got.c": (("the_words",), "the loader's list of objects, and dlsym"),
    "src/pyext/capture/patch/got_dlsym.c": (("pyctm_got_real_dlsym", "pyctm_got_ask_dlsym"), "dlsym, from assembly"),
    "src/pyext/capture/state.c": (("pyctm_the_capture", "pyctm_hook_tls"), "allocators and detours; a thread's own state"),
    "src/pyext/capture/stdlib_flag.c": (("the_stdlib",), "stdlib's flag, and a redirected function"),
    "src/pyext/capture/stdlib_functions.c": (("the_originals",), "the functions of stdlib's module, one table per process"),
    "src/pyext/capture/track.c": (("the_tracking",), "redirected functions of CPython"),
}
CPYTHON_TABLE = re.compile(r"\w+_(methods?|slots|getset|members|spec|def)|functions")


def logical_lines(path):
    """(line, text) of each line, without comments; a line that ends with a backslash is joined with the next one."""
    start, joined = 1, ""
    for number, line in enumerate(c_sources.blank_comments(path.read_text(encoding="utf-8")).split("\n"), 1):
        joined += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield start, joined
            start, joined = number + 1, ""


def includes(path):
    """(line, name, is in quotes) of each #include; the name is None if it is not that of a header."""
    for line, text in logical_lines(path):
        found = re.match(r"\s*(?:#|%:)\s*(?:include|import|embed)(?:_next)?\b\s*(.*)", text)
        if found:
            plain = re.match(r'\s*#\s*include\s*([<"])((?:[\w-]+/)*[\w-]+\.h)[>"]\s*$', text)
            yield line, plain and plain[2], plain is not None and plain[1] == '"'


def c_files(root, *folders):
    for folder in folders:
        yield from sorted([*(root / folder).rglob("*.c"), *(root / folder).rglob("*.h")])


def check_files(root):
    known = {f"src/libctm/{folder}" for folder in LIBRARY_FOLDERS} | {f"src/pyext/{folder}" for folder in EXTENSION_FOLDERS}
    for folder in ("include", "src"):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_file() or name == "src/pyext/CMakeLists.txt":
                continue
            if path.suffix not in (".c", ".h"):
                yield path, 1, "neither a C file nor a header"
            elif name.rsplit("/", 1)[0] not in known | {"include/ctm"}:
                yield path, 1, "this folder is in no list of check_layers.py"
    for path in c_files(root, "include", "src"):
        for line, name, _ in includes(path):
            if name is None:
                yield path, line, "an #include that does not plainly name a header"
        if path.suffix == ".h":
            directives = [text.split() for _, text in logical_lines(path) if text.lstrip().startswith("#")]
            guard = directives[0][1] if directives and directives[0][0] == "#ifndef" else None
            if guard is None or directives[1][:2] != ["#define", guard] or directives[-1][0] != "#endif":
                yield path, 1, "a header without a guard"


def check_public_headers(root):
    for path in sorted((root / "include").rglob("*.h")):
        for line, name, quoted in includes(path):
            good = name is None or (name.startswith("ctm/") if quoted else name in SYSTEM_HEADERS)
            if not good:
                yield path, line, f"a public header includes {name}"


def check_library(root):
    base = root / "src" / "libctm"
    folders = list(LIBRARY_FOLDERS)
    for position, folder in enumerate(folders):
        for other in sorted(LIBRARY_FOLDERS[folder] - set(folders[:position])):
            yield base / folder, 1, f"LIBRARY_FOLDERS lets '{folder}' include '{other}', which is not listed before it"
    for path in c_files(root, "src/libctm"):
        folder = path.parent.relative_to(base).as_posix()
        allowed = LIBRARY_FOLDERS.get(folder, set()) | {folder, "ctm"}
        for line, name, quoted in includes(path):
            if name is not None and not quoted and name not in SYSTEM_HEADERS:
                yield path, line, f"the library includes <{name}>"
            elif quoted and name.rpartition("/")[0] not in allowed:
                yield path, line, f"the folder '{folder}' of the library includes {name}"
    for path in c_files(root, "include", "src/libctm"):
        for line, text in logical_lines(path):
            found = re.search(r"\b(_?Py[A-Z_]\w*|_object)\b", re.sub(r'"[^"]*"', "", text))
            if found:
                yield path, line, f"the library names Python's {found[0]}"


def check_extension(root):
    base = root / "src" / "pyext"
    for path in c_files(root, "src/pyext"):
        folder = path.parent.relative_to(base).as_posix()
        allowed = EXTENSION_FOLDERS.get(folder, set()) | {folder}
        for line, name, quoted in includes(path):
            if name is None:
                continue
            if not quoted:
                if any((root / place / name).exists() for place in ("include", "src/libctm", "src/pyext")):
                    yield path, line, f"{name} is the project's own: it is included in quotes"
            elif not (root / "include" / name).exists() and not (name.split("/")[0] == "internal" and "internal" in allowed):
                if not (base / name).exists():
                    yield path, line, f"the extension includes {name}, which is neither its own nor public"
                elif name.rpartition("/")[0] not in allowed:
                    yield path, line, f"the folder '{folder}' of the extension includes {name}"


def check_imports(root):
    for path in c_files(root, "src/pyext"):
        for line, text in logical_lines(path):
            for found in IMPORTS.finditer(text):
                is_definition = text.startswith("static PyObject *import_attribute(")
                if not is_definition and not any(text.startswith(allowed, found.start()) for allowed in IMPORTED):
                    yield path, line, f"{found[1]}: the extension imports only IMPORTED; _provide.py has what it may call"
            found = IMPORT_TEXT.search(text)
            if found:
                yield (
                    path,
                    line,
                    f"{found[0]}: the extension imports the package: _provide.py has what it may call",
                )


def check_versions(root):
    for path in c_files(root, "src/pyext"):
        if path.is_relative_to(root / "src/pyext/capture/frames"):
            continue
        asked = VERSION_ASKED.get(path.relative_to(root).as_posix(), set())
        for line, text in logical_lines(path):
            for found in VERSION.finditer(text):
                if found[0] not in asked:
                    yield path, line, f"{found[0]} is asked here: define a property in capture/frames/versions.h"


def names_of(path):
    """The names with a prefix of the project, outside of comments."""
    return set(re.findall(r"\b((?:py)?ctmi?_\w+|(?:PY)?CTMI?_\w+)", c_sources.blank_comments(path.read_text(encoding="utf-8"))))


def declarations(path):
    """The text of a header without comments and directives."""
    return " ".join(text for _, text in logical_lines(path) if not text.lstrip().startswith("#"))


def declared_names(path):
    """The macros, types, enumerators and functions of a header."""
    text = declarations(path)
    names = {match[1] for _, line in logical_lines(path) for match in [re.match(r"\s*#\s*define\s+(\w+)", line)] if match}
    names.update(re.findall(r"\b(?:struct|union|enum)\s+(\w+)", text), re.findall(r"\}\s*(\w+);", text))
    for body in re.findall(r"\benum\b[^{;]*\{([^}]*)\}", text):
        names.update(re.findall(r"(?:^|,)\s*(\w+)", body))
    names.update(declared_functions(text))
    return names


def declared_functions(text):
    """The functions that are declared, not defined; those of types and members are pointers."""
    return set(
        re.findall(r"(?:^|[;}{])[^;{}()]*?\b(\w+)\((?=[^;{}]*\)[^;{}()]*;)", re.sub(r"\b__attribute__\(\(.*?\)\)", "", text))
    )


def check_prefixes(root):
    public = {name for path in (root / "include").rglob("*.h") for name in names_of(path)} | BUILD_OPTIONS
    for folder, own in (("src/libctm", ("ctmi_", "CTMI_")), ("src/pyext", ("pyctm_", "PYCTM_"))):
        for path in c_files(root, folder):
            for name in sorted(names_of(path) - public):
                if not name.startswith(own):
                    yield path, 1, f"{name} is neither public nor has the prefix {own[0]}"
    for path in sorted((root / "include").rglob("*.h")):
        for name in sorted(names_of(path) | declared_names(path)):
            if not name.startswith(("ctm_", "CTM_")) and not ARROW.fullmatch(name):
                yield path, 1, f"the public header has the name {name}"
    for path in c_files(root, "src/pyext"):
        for line, text in logical_lines(path):
            found = EXPORTS.search(text)
            if found:
                yield path, line, f"{found[0]}: the extension exports PyInit only"


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
        for name, (defined, undefined) in symbols.items():
            prefixes = ("ctm_", "ctmi_") if build.headers is None else ("pyctm_", "PyInit__ctracemalloc")
            for symbol in sorted(defined):
                is_table = name == "src/pyext/capture/frames/opcode_tables.c" and OPCODES.fullmatch(symbol)
                if not symbol.startswith(prefixes) and not is_table:
                    yield root / name, 1, f"{symbol} can be linked with and has not the prefix {prefixes[0]}"
            if not c_sources.needs_python(name):
                for symbol in sorted(undefined):
                    if re.match(r"_?Py", symbol):
                        yield root / name, 1, f"the core needs Python's {symbol}"


def check_defined(root):
    for build, symbols, broken in compiled(root):
        if build.headers is None and not broken:
            defined = {symbol for names, _ in symbols.values() for symbol in names}
            for path in c_files(root, "include"):
                for name in sorted(declared_functions(declarations(path)) - defined):
                    yield path, 1, f"{build.name}: {name} is declared and not defined"


def check_circles(root):
    libraries = [(build, symbols) for build, symbols, _ in compiled(root) if build.headers is None]
    for build, symbols, _ in compiled(root):
        for library, others in libraries if build.headers else ():
            for name, problem in link_graph.problems_of(link_graph.edges_of({**others, **symbols})):
                yield root / name, 1, f"{build.name}, {library.name}: {problem}"


def check_state(root):
    for folder, build in builds():
        for name, variables in c_sources.variables_of(root, folder, build).items():
            allowed, _ = PROCESS_STATE.get(name, ((), ""))
            for variable, section in variables:
                is_table = section.startswith(".data") and c_sources.needs_python(name) and CPYTHON_TABLE.fullmatch(variable)
                if variable not in allowed and not is_table:
                    said = f"{variable} is state of the process: put it in an object, or say why in PROCESS_STATE"
                    yield root / name, 1, f"{build.name}: {said}"
    for name in PROCESS_STATE:
        if not (root / name).is_file():
            yield root / name, 1, "PROCESS_STATE names this file, which does not exist"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    checks = [check_files, check_public_headers, check_library, check_extension, check_imports, check_versions, check_prefixes]
    able = c_sources.compiler() is not None and shutil.which("nm") is not None and bool(c_sources.pythons())
    if able:
        checks += [check_headers, check_symbols, check_defined, check_circles, check_state]
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
