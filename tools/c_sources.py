"""The C sources of the project and the flags they are compiled with, for the tools that compile them.

Model: the library (src/libctm) needs only its own headers; the extension (src/pyext) needs those of a CPython: of the running
interpreter, or of another one on this machine.
"""

import shutil
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ("-std=c11", "-D_GNU_SOURCE", "-Iinclude", "-Isrc/libctm")
ZYDIS = (
    "-isystemthird_party/zydis/zydis/include",
    "-isystemthird_party/zydis/zycore/include",
    "-DZYDIS_STATIC_BUILD",
    "-DZYCORE_STATIC_BUILD",
)


def python_headers():
    """The folder with Python.h: of the running interpreter, or of another one that pythons.sh finds. None: there is none."""
    own = Path(sysconfig.get_path("include"))
    if (own / "Python.h").is_file():
        return own
    listed = subprocess.run([ROOT / "tools/pythons.sh", "3.13", "3.12", "3.11"], stdout=subprocess.PIPE, text=True, check=True)
    for line in listed.stdout.splitlines():
        place = line.split(" ", 1)[1]
        if place == "-" or place.startswith("sid:"):
            continue
        command = [place, "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
        folder = Path(subprocess.check_output(command, text=True).strip())
        if (folder / "Python.h").is_file():
            return folder
    return None


def needs_python(folder):
    """Is the folder (for example "src/pyext") the extension's?"""
    return Path(folder).parts[:2] == ("src", "pyext")


def flags_of(folder):
    """The flags with which files of the folder are compiled; None: not possible here."""
    if not needs_python(folder):
        return LIBRARY
    headers = python_headers()
    return None if headers is None else (*LIBRARY, "-Isrc/pyext", *ZYDIS, f"-isystem{headers}")


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


def headers_that_need_others(root, folder):
    """{header: the compiler's messages} of the headers below a folder that do not compile alone."""
    strict = ("-Wall", "-Werror", "-Wno-unused-function", "-fsyntax-only")
    flags = flags_of(folder)
    commands = {name: [compiler(), *flags, *strict, "-x", "c", name] for name in files_of(root, folder, ".h")}
    return {name: said for name, said in run_all(root, commands) if said is not None}


def compile_all(root, folder, scratch, *options):
    """({file: its object, in the folder `scratch`}, {file: why it does not compile}) of the C files of a folder."""
    objects = {name: Path(scratch, f"{n}.o") for n, name in enumerate(files_of(root, folder, ".c"))}
    flags = flags_of(folder)
    commands = {name: [compiler(), *flags, "-O0", "-w", *options, "-c", name, "-o", to] for name, to in objects.items()}
    broken = {name: said for name, said in run_all(root, commands) if said is not None}
    return {name: to for name, to in objects.items() if name not in broken}, broken


def variables_of(root, folder):
    """{file: [(name, section)]} of what is not constant and outlives a call, of the C files of a folder that compile."""
    variables = {}
    with tempfile.TemporaryDirectory() as scratch:
        objects, _ = compile_all(root, folder, scratch, "-fPIC")
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


def symbols_of(root, folder):
    """({file: (its defined symbols, its undefined ones)}, {file: why it does not compile}) of the C files of a folder."""
    symbols = {}
    with tempfile.TemporaryDirectory() as scratch:
        objects, broken = compile_all(root, folder, scratch)
        for name, there in objects.items():
            rows = [line.split() for line in subprocess.check_output(["nm", there], text=True).splitlines()]
            defined = {row[-1] for row in rows if row[-2] in "TDRBCVW" and len(row) == 3}
            symbols[name] = defined, {row[-1] for row in rows if row[-2] in "Uvw"}
    return symbols, broken
