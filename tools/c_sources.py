"""The C sources of the project and the flags they are compiled with, for the tools that compile them.

Model: the library (src/libctm) needs only its own headers. The extension (src/pyext) needs those of a CPython, and what it
compiles to depends on the version: some files are empty for one and not for another. So the tools look at the extension once
for each supported CPython whose headers are here: those that pythons.sh finds, Debian sid's among them.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COULD_NOT_RUN = 77  # the exit status of a check that has no compiler or headers; pre-commit fails then, the driver says it
VERSIONS = ("3.15", "3.14", "3.13", "3.12", "3.11")
LIBRARY = ("-std=c11", "-D_GNU_SOURCE", "-Iinclude", "-Isrc/libctm")
ZYDIS = (
    "-isystemthird_party/zydis/zydis/include",
    "-isystemthird_party/zydis/zycore/include",
    "-DZYDIS_STATIC_BUILD",
    "-DZYCORE_STATIC_BUILD",
)


class Headers(NamedTuple):
    """Where the headers of a CPython are."""

    version: str
    folder: Path  # with Python.h
    flags: tuple[str, ...]


@functools.cache
def pythons():
    """The Headers of each supported CPython that is here, the newest of this machine's own first, Debian sid's last."""
    listed = subprocess.run([ROOT / "tools/pythons.sh", *VERSIONS], stdout=subprocess.PIPE, text=True, check=True)
    places = dict(line.split(" ", 1) for line in listed.stdout.splitlines())
    here = [version for version in VERSIONS if places[version] != "-"]
    here.sort(key=lambda version: places[version].startswith("sid:"))
    return [found for found in (headers_of(version, places[version]) for version in here) if found is not None]


def headers_of(version, place):
    """The Headers of the interpreter that pythons.sh names; None: it has no Python.h."""
    if place.startswith("sid:"):
        root = Path(os.environ.get("CTM_SID") or ROOT / "build" / "sid")
        folder = root / "usr" / "include" / f"python{version}"
        after = (f"-idirafter{folder.parent}",)  # pyconfig.h includes the one of the machine's kind from there
    else:
        command = [place, "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
        folder, after = Path(subprocess.check_output(command, text=True).strip()), ()
    return Headers(version, folder, (f"-isystem{folder}", *after)) if (folder / "Python.h").is_file() else None


def unseen():
    """The supported versions whose headers are not here."""
    here = {headers.version for headers in pythons()}
    return [version for version in VERSIONS if version not in here]


def tell_unseen():
    """Print a line for each supported version that cannot be looked at."""
    for version in reversed(unseen()):
        print(f"::skip Python {version}: its headers are not here, so nothing was compiled for it")


def needs_python(folder):
    """Is the folder (for example "src/pyext") the extension's?"""
    return Path(folder).parts[:2] == ("src", "pyext")


def flags_of(folder, headers=None):
    """The flags with which files of the folder are compiled. The extension's need the Headers of a Python."""
    return (*LIBRARY, "-Isrc/pyext", *ZYDIS, *headers.flags) if needs_python(folder) else LIBRARY


def builds_of(folder):
    """The Headers with which a folder is compiled: each Python's for the extension, [None] for the library."""
    return pythons() if needs_python(folder) else [None]


def compiler():
    """gcc, another C compiler, or None."""
    return shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")


def files_of(root, folder, ending):
    """The files below a folder of the tree, as paths from its root."""
    return sorted(path.relative_to(root).as_posix() for path in (Path(root) / folder).rglob(f"*{ending}"))


def run_all(root, commands):
    """[(name, the compiler's messages, or None if there are none)]; commands: {name: command}."""

    def run(item):
        name, command = item
        done = subprocess.run(command, cwd=root, stderr=subprocess.PIPE, text=True)
        return name, done.stderr if done.returncode != 0 else None

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, commands.items()))


def headers_that_need_others(root, folder, headers=None):
    """{header: the compiler's messages} of the headers below a folder that do not compile alone."""
    strict = ("-Wall", "-Werror", "-Wno-unused-function", "-fsyntax-only")
    flags = flags_of(folder, headers)
    commands = {name: [compiler(), *flags, *strict, "-x", "c", name] for name in files_of(root, folder, ".h")}
    return {name: said for name, said in run_all(root, commands) if said is not None}


def compile_all(root, folder, headers, scratch, *options):
    """({file: its object, in the folder `scratch`}, {file: why it does not compile}) of the C files of a folder."""
    objects = {name: Path(scratch, f"{n}.o") for n, name in enumerate(files_of(root, folder, ".c"))}
    flags = flags_of(folder, headers)
    commands = {name: [compiler(), *flags, "-O0", "-w", *options, "-c", name, "-o", to] for name, to in objects.items()}
    broken = {name: said for name, said in run_all(root, commands) if said is not None}
    return {name: to for name, to in objects.items() if name not in broken}, broken


def variables_of(root, folder, headers=None):
    """{file: [(name, section)]} of what is not constant and outlives a call, of the C files of a folder that compile."""
    variables = {}
    with tempfile.TemporaryDirectory() as scratch:
        objects, _ = compile_all(root, folder, headers, scratch, "-fPIC")
        for name, there in objects.items():
            lines = subprocess.check_output(["nm", "-f", "sysv", there], text=True).splitlines()
            rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.count("|") == 6]
            found = [
                (row[0].split(".")[0], row[6])
                for row in rows
                if row[6].startswith((".data", ".bss", ".tdata", ".tbss", "*COM"))
            ]
            variables[name] = sorted({(symbol, where) for symbol, where in found if not where.startswith(".data.rel.ro")})
    return variables


def symbols_of(root, folder, headers=None):
    """({file: (its defined symbols, its undefined ones)}, {file: why it does not compile}) of the C files of a folder."""
    symbols = {}
    with tempfile.TemporaryDirectory() as scratch:
        objects, broken = compile_all(root, folder, headers, scratch)
        for name, there in objects.items():
            rows = [line.split() for line in subprocess.check_output(["nm", there], text=True).splitlines()]
            defined = {row[-1] for row in rows if row[-2] in "TDRBCVW" and len(row) == 3}
            symbols[name] = defined, {row[-1] for row in rows if row[-2] in "Uvw"}
    return symbols, broken


# --- which files differ from one Python to another ---


def own_text(preprocessed):
    """The lines that come from the project's files."""
    kept, own = [], False
    for line in preprocessed.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            own = marker[1].startswith(("src/", "include/"))
        elif own and line.strip():
            kept.append(" ".join(line.split()))
    return "\n".join(kept)


def make_stubs(root, folder):
    """Fill a folder with stubs of CPython's headers: they have the version and the configuration, and no other macro."""
    names = {"Python.h"}
    for path in (Path(root) / "src" / "pyext").rglob("*.[ch]"):
        names.update(re.findall(r'^[ \t]*#[ \t]*include[ \t]+[<"]([^">]+)', path.read_text(encoding="utf-8"), re.M))
    for name in names - {"patchlevel.h", "pyconfig.h"}:
        if any((headers.folder / name).is_file() for headers in pythons()):
            stub = Path(folder, name)
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text("#include <patchlevel.h>\n#include <pyconfig.h>\n", encoding="utf-8")


def pythons_of_files(root, names):
    """{file: the Headers of each Python on which the file has a text of its own}.

    Only what the project asks of the version counts: CPython's own macros are not expanded, so that a file is not looked at
    again because PyObject_HEAD, for one, has changed.
    """
    texts = {name: {} for name in names}
    with tempfile.TemporaryDirectory() as stubs:
        make_stubs(root, stubs)

        def preprocess(job):
            name, headers = job
            command = [compiler(), "-E", f"-I{stubs}", *flags_of(name, headers), name]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"{name} cannot be preprocessed for Python {headers.version}:\n{done.stderr}")
            return name, headers, own_text(done.stdout)

        jobs = [(name, headers) for name in names if needs_python(name) for headers in pythons()]
        with ThreadPoolExecutor(2) as pool:
            for name, headers, text in pool.map(preprocess, jobs):
                texts[name].setdefault(text, headers)
    return {name: list(found.values()) for name, found in texts.items()}
