#!/usr/bin/env python3
"""Checks that what a hook runs calls nothing that it must not call, through any number of functions.

A hook may run inside an allocator, without the GIL and after finalization began: it must not allocate Python objects, raise,
collect, acquire the GIL or print.

Model: the compiler (GCC) writes the graph of calls of each file of the extension and of the library, with the line of each
call, without inlining. There is a graph for each CPython whose headers are here, because a version compiles code that another
leaves out. All calls are followed from the functions marked `HOOK:` and from the allocator hooks. A call of a function outside
of the project is allowed for the functions in LIBC and CPYTHON. A call through a pointer is allowed in the files of POINTERS,
which has the project's functions that the pointer may point to; these are followed. Any other call needs a comment at its
line, or in a line of its own before its statement, `/* HOOK-EXEMPT: reason */`; such a call is not followed.

usage: check_hooks.py [ROOT]
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import c_sources

MARK = re.compile(r"/\* HOOK:")
EXEMPT = re.compile(r"/\* HOOK-EXEMPT: \S")
ALLOCATOR_HOOKS = re.compile(r"(raw|mem|obj)_(\d+_)?(malloc|calloc|realloc|free)(_sampling)?")

# Functions of the C library: none calls Python's allocators, prints, or waits for another thread except for a lock.
LIBC = {
    "__errno_location", "calloc", "clock_gettime", "expm1", "fallocate", "free", "fstat", "ftruncate", "getrlimit", "log",
    "madvise",
    "malloc", "memchr", "memcmp", "memcpy", "memset", "mmap", "munmap", "pread", "pthread_mutex_lock", "pthread_mutex_unlock",
    "pwrite", "realloc", "strcmp", "strlen", "sysconf",
}  # fmt: skip
# Functions of CPython, including inline ones of its headers: each only reads fields or variables.
CPYTHON = {
    "PyBytes_AS_STRING", "PyBytes_GET_SIZE", "PyGILState_GetThisThreadState", "PyThreadState_GetUnchecked", "PyType_HasFeature",
    "PyUnicode_DATA", "PyUnicode_GET_LENGTH", "PyUnicode_IS_COMPACT_ASCII", "PyUnicode_READ", "Py_IsFinalizing", "Py_SIZE",
    "Py_TYPE", "_PyThreadState_UncheckedGet", "_PyUnicode_DATA", "_Py_IsFinalizing", "_Py_SIZE_impl", "_Py_TYPE",
    "_Py_TYPE_impl",
}  # fmt: skip
# Files that call through pointers. The value matches the project's functions that the pointer may point to, FILE:NAME. None:
# it points to the former allocator or listener, which is called as it would be without this package.
POINTERS = {
    "src/pyext/capture/hooks.c": None,
    "src/pyext/capture/freelist_tracer.c": None,
    "src/pyext/capture/freelist_patch.c": None,
    "src/libctm/base/memory.c": None,  # set only by the tests of the library
    "src/libctm/tables/rows.c": re.compile(
        r"src/libctm/sinks/\w+\.c:box_(map|unmap|grow|look)|src/libctm/tables/\w+\.c:hash_\w+_row"
    ),
    "src/libctm/tables/store.c": re.compile(r"src/libctm/tables/\w+\.c:(same|write)_\w+"),
    "src/libctm/tracer/sink.c": re.compile(r"src/libctm/sinks/\w+\.c:\w*loss\w*"),
    "src/libctm/tracer/shard.c": re.compile(r"src/libctm/sinks/\w+\.c:box_look"),
}


class Graph:
    """The graph of calls. Names are the compiler's: that of a static function has the file and the function."""

    def __init__(self):
        self.defined = {}  # name -> file, relative to the project; None: outside of it
        self.calls = defaultdict(set)  # name -> (called, file, line)


def find_compiler():
    """GCC with -fcallgraph-info, or None."""
    for name in ("gcc", "cc"):
        path = shutil.which(name)
        if path is None:
            continue
        command = [path, "-fcallgraph-info", "-E", "-x", "c", "/dev/null"]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
            return path
    return None


def relative(root, file):
    path = (root / file).resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None


def unit_of(gcc, root, name, headers, target):
    """The compiler's graph of one file. SystemExit: it does not compile."""
    command = [gcc, *c_sources.flags_of(name, headers), "-DNDEBUG", "-O0", "-w", "-S", "-fcallgraph-info", name, "-o", target]
    done = subprocess.run(command, cwd=root, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{name} does not compile{on(headers)}:\n{done.stderr}")
    return target.with_suffix(".ci").read_text(encoding="utf-8")


def on(headers):
    return f" on Python {headers.version}" if headers else ""


def units_of(gcc, root, folder, headers):
    """The graphs of all files below a folder."""
    names = c_sources.files_of(root, folder, ".c")
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        jobs = [(gcc, root, name, headers, Path(scratch, f"{n}.s")) for n, name in enumerate(names)]
        return list(pool.map(lambda job: unit_of(*job), jobs))


def add_unit(graph, root, text):
    for name, file, rest in re.findall(r'node: \{ title: "([^"]+)" label: "[^"\\]+\\n([^"\\:]+):([^}]*)\}', text):
        if "ellipse" not in rest:
            graph.defined[name] = relative(root, file)
    for caller, called, file, line in re.findall(
        r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]+):(\d+):\d+")? \}', text
    ):
        graph.calls[caller].add((called, relative(root, file) if file else None, int(line or 0)))


def graph_of(root, units):
    graph = Graph()
    for text in units:
        add_unit(graph, root, text)
    return graph


def own_name(name):
    return name.rsplit(":", 1)[-1]


def marked_functions(root):
    """(file, name) of each function that is marked `HOOK:`."""
    base = root / "src" / "pyext"
    for path in sorted([*base.rglob("*.c"), *base.rglob("*.h")]):
        text = path.read_text(encoding="utf-8")
        for match in MARK.finditer(text):
            head = re.match(r"\*/[^;{}#]*?\b(\w+)\([^;{]*\)\s*\{", text[text.find("*/", match.start()) :], re.S)
            if head:
                yield path.relative_to(root).as_posix(), head[1]


def hooks(graph, root):
    marked = set(marked_functions(root))
    for name, file in graph.defined.items():
        is_allocator = file is not None and ALLOCATOR_HOOKS.fullmatch(own_name(name)) is not None
        if is_allocator or (file, own_name(name)) in marked:
            yield name


class Lines:
    """The lines of the sources, and which of them exempt a call."""

    def __init__(self, root):
        self.root, self.files = root, {}

    def exempt(self, file, line):
        """Is there a HOOK-EXEMPT comment at the call's line, or in a line of its own before its statement?"""
        if file is None:
            return False
        if file not in self.files:
            self.files[file] = (self.root / file).read_text(encoding="utf-8").splitlines()
        lines = self.files[file]
        if EXEMPT.search(lines[line - 1]):
            return True
        above = line - 2
        while above >= 0 and not lines[above].rstrip().endswith((";", "{", "}", "*/")):
            above -= 1
        return above >= 0 and lines[above].lstrip().startswith("/*") and EXEMPT.search(lines[above]) is not None


def problem_of(graph, called):
    """None if a hook may make this call. Calls inside a function of the project are checked by themselves."""
    if graph.defined.get(called) is not None or own_name(called) in LIBC | CPYTHON:
        return None
    return f"calls {own_name(called)}"


def behind_pointer(graph, file):
    """The project's functions that a pointer called in this file may point to; None: not listed, or none is defined."""
    if file not in POINTERS:
        return None
    if POINTERS[file] is None:
        return []
    return [name for name, at in graph.defined.items() if POINTERS[file].fullmatch(f"{at}:{own_name(name)}")] or None


def check(graph, root):
    """(file, line, problem) of each problem, and the number of functions checked."""
    lines, problems = Lines(root), []
    came_from = dict.fromkeys(hooks(graph, root))
    queue = deque(came_from)
    while queue:
        caller = queue.popleft()
        for called, file, line in sorted(graph.calls[caller], key=str):
            if lines.exempt(file, line):
                continue
            targets = behind_pointer(graph, file) if called == "__indirect_call" else [called]
            if targets is None:
                what = "calls through a pointer that POINTERS of check_hooks.py does not tell of"
                problems.append((file, line, f"{what}, in a hook: {chain(came_from, caller)}"))
            for target in targets or ():
                problem = problem_of(graph, target)
                if problem is not None:
                    problems.append((file, line, f"{problem}, in a hook: {chain(came_from, caller)}"))
                elif graph.defined.get(target) is not None and target not in came_from:
                    came_from[target] = caller
                    queue.append(target)
    return problems, len(came_from)


def chain(came_from, name):
    names = []
    while name is not None:
        names.append(own_name(name))
        name = came_from[name]
    return " <- ".join(names)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    gcc = find_compiler()
    if gcc is None or not c_sources.pythons():
        print("no GCC that writes graphs of calls, or no Python.h: what hooks call was not looked at")
        return c_sources.COULD_NOT_RUN
    c_sources.tell_unseen()
    library = units_of(gcc, root, "src/libctm", None)
    passed = failed = 0
    for headers in c_sources.pythons():
        graph = graph_of(root, library + units_of(gcc, root, "src/pyext", headers))
        problems, looked_at = check(graph, root)
        for file, line, problem in sorted(set(problems), key=str):
            print(f"{file}:{line}: {problem}")
        if looked_at == 0:
            print("no function is marked as a hook: nothing was looked at")
        passed, failed = passed + looked_at, failed + len(set(problems)) + (looked_at == 0)
        print(f"{looked_at} functions that hooks run were looked at, Python {headers.version}")
    print(f"::counts passed={passed} failed={failed} skipped=0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
