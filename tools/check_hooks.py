#!/usr/bin/env python3
"""Checks that what a hook runs calls nothing that it must not call, through any number of functions.

A hook may run inside an allocator, without the GIL and after finalization began: it must not allocate Python objects, raise,
collect, acquire the GIL or print.

Model: the compiler (GCC) writes the graph of calls of each file of the extension and of the library, with the line of each
call, without inlining. There is a graph for each CPython whose headers are here, because a version compiles code that another
leaves out; the options are those of the wheel. All calls are followed from the functions marked `HOOK:`. A mark is a comment
that has this word, before a function or a declaration, or after it on the same line; a mark that names no function is an error.
Each function that ALLOCATORS store in a table is a hook too, marked or not. A call of a function outside of the project is
allowed for the functions in LIBC and CPYTHON. A call through a pointer is allowed for the expressions in POINTERS, which has
the project's functions that the pointer may point to; these are followed. Any other call needs a comment at its line, or in a
line of its own before its statement, `/* HOOK-EXEMPT: reason */`; such a call is not followed. A comment exempts calls of one
function.

Not seen: what assembler text calls.

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
from typing import NamedTuple

import c_sources

MARK = re.compile(r"\bHOOK(:|\s*(\*/|$))")
EXEMPT = re.compile(r"/\* HOOK-EXEMPT: \S")
ALLOCATORS = ("src/pyext/capture/hooks.c", "src/pyext/capture/layers.c")

# Functions of the C library: none calls Python's allocators, prints, or waits for another thread except for a lock.
LIBC = {
    "__errno_location", "calloc", "clock_gettime", "expm1", "fallocate", "free", "fstat", "ftruncate", "getrlimit", "log",
    "madvise", "malloc", "memchr", "memcmp", "memcpy", "memmove", "memset", "mmap", "munmap", "pread",
    "pthread_mutex_lock", "pthread_mutex_unlock", "pwrite", "realloc", "strcmp", "strlen", "sysconf",
}  # fmt: skip
# Functions of CPython, including inline ones of its headers: each only reads fields or variables.
CPYTHON = {
    "PyBytes_AS_STRING", "PyBytes_GET_SIZE", "PyGILState_GetThisThreadState", "PyThreadState_GetUnchecked", "PyType_HasFeature",
    "PyUnicode_DATA", "PyUnicode_GET_LENGTH", "PyUnicode_IS_COMPACT_ASCII", "PyUnicode_READ", "Py_IsFinalizing", "Py_SIZE",
    "Py_TYPE", "_PyThreadState_UncheckedGet", "_PyUnicode_DATA", "_Py_IsFinalizing", "_Py_SIZE_impl", "_Py_TYPE",
    "_Py_TYPE_impl",
}  # fmt: skip
# The expressions that are called, of each file that calls through pointers. The value matches the project's functions that the
# pointer may point to, FILE:NAME. None: it points to the former allocator or listener, which is called as it would be without
# this package.
POINTERS = {
    "src/pyext/capture/hooks.c": dict.fromkeys(
        (
            "real->malloc", "real->calloc", "real->realloc", "real->free",
            "pyctm_the_originals[hook_index].free",
        )
    ),
    "src/pyext/capture/freelist_tracer.c": {"previous->tracer": None},
    "src/pyext/capture/freelist_patch.c": {
        "((int (*)(PyObject *))the_patch.hidden.original)": None,
        "((void (*)(PyObject *))the_patch.reference.original)": None,
    },
    "src/libctm/base/memory.c": {"refuses": None},  # set only by the tests of the library
    "src/libctm/tables/rows.c": {
        **{
            f"{whose}->{name}": re.compile(rf"src/libctm/sinks/\w+\.c:box_{name}")
            for whose, name in (
                ("backed->backing", "map"), ("backed->backing", "unmap"), ("backed->backing", "grow"), ("backing", "look"),
            )
        },
        "hash_of": re.compile(r"src/libctm/tables/\w+\.c:hash_\w+_row"),
    },
    "src/libctm/tables/store.c": {
        "table->same": re.compile(r"src/libctm/tables/\w+\.c:same_\w+"),
        "table->write": re.compile(r"src/libctm/tables/\w+\.c:write_\w+"),
    },
    "src/libctm/tracer/sink.c": {"sink->kind->loss_told": re.compile(r"src/libctm/sinks/\w+\.c:loss_told")},
    "src/libctm/tracer/shard.c": {"backing->look": re.compile(r"src/libctm/sinks/\w+\.c:box_look")},
}  # fmt: skip


INDIRECT = "__indirect_call"  # the compiler's name for what a pointer points to
NO_FUNCTIONS = {"if", "for", "while", "switch", "return", "sizeof", "_Static_assert", "_Alignas"}


class Graph:
    """The graph of calls. Names are the compiler's: that of a static function has the file and the function."""

    def __init__(self):
        self.defined = {}  # name -> file, relative to the project; None: outside of it
        self.calls = defaultdict(set)  # name -> (called, file, line, column)
        self.stored = set()  # names of functions whose addresses are in the data of ALLOCATORS


# NDEBUG: as the wheel. A function that is always inlined is a node of the graph too.
GRAPH = ("-DNDEBUG", "-Dalways_inline=noinline", "-O0", "-w", "-S", "-fcallgraph-info")


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


def unit_of(gcc, root, name, build, target):
    """The compiler's graph of one file, and the names that the file's data points to. SystemExit: it does not compile."""
    command = [gcc, *c_sources.flags_of(name, build), *GRAPH, name, "-o", target]
    done = subprocess.run(command, cwd=root, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{name} does not compile, {build.name}:\n{done.stderr}")
    stored = re.findall(r"^\s*\.(?:quad|xword)\s+(\w+)$", target.read_text(encoding="utf-8"), re.M)
    return target.with_suffix(".ci").read_text(encoding="utf-8"), stored if name in ALLOCATORS else []


def units_of(gcc, root, folder, build):
    """What unit_of says of all files below a folder."""
    names = c_sources.files_of(root, folder, ".c")
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        jobs = [(gcc, root, name, build, Path(scratch, f"{n}.s")) for n, name in enumerate(names)]
        return list(pool.map(lambda job: unit_of(*job), jobs))


def add_unit(graph, root, text, stored):
    here = {}
    for name, file, rest in re.findall(r'node: \{ title: "([^"]+)" label: "[^"\\]+\\n([^"\\:]+):([^}]*)\}', text):
        if "ellipse" not in rest:
            graph.defined[name] = relative(root, file)
            here[own_name(name)] = name
    graph.stored.update(here[name] for name in stored if name in here)
    for caller, called, file, line, column in re.findall(
        r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]+):(\d+):(\d+)")? \}', text
    ):
        graph.calls[caller].add((called, relative(root, file) if file else None, int(line or 0), int(column or 0)))


def graph_of(root, units):
    graph = Graph()
    for text, stored in units:
        add_unit(graph, root, text, stored)
    return graph


def own_name(name):
    return name.rsplit(":", 1)[-1]


class Mark(NamedTuple):
    """A `HOOK:` comment and the function that it names."""

    file: str
    line: int
    name: re.Pattern | None  # of the function; None: the comment is at no function
    declares: bool  # the function may be defined in another file


def head_before(code, start):
    """The head that ends where a mark starts, on the same line; "": there is none."""
    line = code.rfind("\n", 0, start) + 1
    text = code[:start].rstrip().removesuffix("\\").rstrip()
    if len(text) < line or not text.endswith((";", ")")):
        return ""
    begin = max(text.rfind(end, 0, len(text) - 1) for end in ";{}")
    return re.sub(r".*#[ \t]*define[ \t]+\w+(\([^)]*\))?", "", text[begin + 1 :], flags=re.S)


def head_after(code, end):
    """The text from the end of a mark to the body or the end of the declaration."""
    text = re.sub(r"^[ \t]*#(?!.*\bdefine\b)(.*\\\n)*.*", "", code[end:], flags=re.M)
    return re.match(r"[^;{]*[;{]?", text)[0]


def name_in(head, code, start):
    """The pattern of the name of the function whose head this is; None: it is no function's."""
    head = re.sub(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)|\[\[[^]]*\]\]", " ", head)
    found = re.search(r"([\w#]+)\(", head)
    if found is None or found[1] in NO_FUNCTIONS:
        return None
    parts = found[1].split("##")
    macro = re.search(r".*#[ \t]*define[ \t]+\w+\(([^)]*)\)", code[:start], re.S) if len(parts) > 1 else None
    parameters = re.findall(r"\w+", macro[1]) if macro else []
    return re.compile("".join(r"\w*" if part in parameters else part for part in parts))


def marks_in(file, text):
    code = c_sources.blank_comments(text)
    for comment in c_sources.COMMENT.finditer(text):
        found = MARK.search(comment[0])
        if found is None:
            continue
        head = head_before(code, comment.start())
        if not head and not code[code.rfind("\n", 0, comment.start()) + 1 : comment.start()].strip():
            head = head_after(code, comment.end())
        line = text.count("\n", 0, comment.start() + found.start()) + 1
        yield Mark(file, line, name_in(head, code, comment.start()), head.endswith(";"))


def marks(root):
    """The Mark of each comment that marks a hook."""
    for folder in ("include", "src"):
        for name in sorted(c_sources.files_of(root, folder, ".[ch]")):
            yield from marks_in(name, (root / name).read_text(encoding="utf-8"))


def marked_by(mark, graph):
    """The functions of the graph that a mark names."""
    if mark.name is None:
        return []
    here = [name for name, file in graph.defined.items() if file is not None and (mark.declares or file == mark.file)]
    return [name for name in here if mark.name.fullmatch(own_name(name))]


class Lines:
    """The lines of the sources, which of them exempt a call, and what they call through pointers."""

    def __init__(self, root):
        self.root, self.files = root, {}

    def of(self, file):
        if file not in self.files:
            self.files[file] = (self.root / file).read_text(encoding="utf-8").splitlines()
        return self.files[file]

    def exemption(self, file, line):
        """The line of a HOOK-EXEMPT comment: the call's, or one of its own before the call's statement. None: no comment."""
        if file is None:
            return None
        lines = self.of(file)
        if EXEMPT.search(lines[line - 1]):
            return line
        above = line - 2
        while above >= 0 and not lines[above].rstrip().endswith((";", "{", "}", "*/")):
            above -= 1
        exempts = above >= 0 and lines[above].lstrip().startswith("/*") and EXEMPT.search(lines[above])
        return above + 1 if exempts else None

    def pointers(self, file, line, functions):
        """The expressions of POINTERS that are called in this line; None: there is none, or another call is no function's.
        The line counts, because the compiler's column of a call in an argument is that of the outer call."""
        text, found = self.of(file)[line - 1] if file in POINTERS else "", []
        for expression in POINTERS.get(file, ()):
            text, count = re.subn(rf"(?<![\w.>]){re.escape(expression)}\(", "(", text)
            found += [expression] * (count > 0)
        others = re.findall(r"([\w.\])>-]+)\(", text)
        known = all(other in functions or other in NO_FUNCTIONS for other in others)
        return found if found and known else None


def problem_of(graph, called):
    """None if a hook may make this call. Calls inside a function of the project are checked by themselves."""
    if graph.defined.get(called) is not None or own_name(called) in LIBC | CPYTHON:
        return None
    return f"calls {own_name(called)}"


def targets_of(graph, file, expressions):
    """The project's functions that these pointers may point to; None: not known, or there should be some and there are none."""
    if expressions is None:
        return None
    targets = []
    for pattern in filter(None, (POINTERS[file][expression] for expression in expressions)):
        found = [name for name, at in graph.defined.items() if pattern.fullmatch(f"{at}:{own_name(name)}")]
        if not found:
            return None
        targets += found
    return targets


def check(graph, root, hooks):
    """(file, line, problem) of each problem, and the number of functions checked."""
    lines, problems, exempted = Lines(root), [], defaultdict(set)
    functions = {own_name(called) for calls in graph.calls.values() for called, *_ in calls}
    came_from = dict.fromkeys(sorted(hooks))
    queue = deque(came_from)
    while queue:
        caller = queue.popleft()
        for called, file, line, column in sorted(graph.calls[caller], key=str):
            exemption = lines.exemption(file, line)
            if exemption is not None:
                if called not in hooks:
                    exempted[file, exemption].add((called, column if called == INDIRECT else 0))
                continue
            targets = [called]
            if called == INDIRECT:
                targets = targets_of(graph, file, lines.pointers(file, line, functions))
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
    for (file, line), calls in exempted.items():
        if len(calls) > 1:
            names = ", ".join(sorted(own_name(called) for called, _ in calls))
            problems.append((file, line, f"one HOOK-EXEMPT for several functions: {names}"))
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
    library = units_of(gcc, root, "src/libctm", c_sources.SHIPPED)
    nameless = set(marks(root))
    problems = []
    passed = 0
    for build in c_sources.pythons():
        graph = graph_of(root, library + units_of(gcc, root, "src/pyext", build))
        named = {mark: marked_by(mark, graph) for mark in marks(root)}
        nameless -= {mark for mark, names in named.items() if names}
        found, looked_at = check(graph, root, graph.stored.union(*named.values()))
        if not graph.stored:
            found.append((ALLOCATORS[0], 1, "no table of allocators is here: their functions were not looked at"))
        problems += found
        passed += looked_at
        print(f"{looked_at} functions that hooks run were looked at, {build.name}")
    for mark in nameless:
        if mark.name is None or not c_sources.unseen():
            problems.append((mark.file, mark.line, "a HOOK comment that names no function"))
    for file, line, problem in sorted(set(problems), key=str):
        print(f"{file}:{line}: {problem}")
    failed = len(set(problems))
    print(f"::counts passed={passed} failed={failed} skipped=0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
