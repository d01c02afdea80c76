"""The C sources of the project and the flags they are compiled with, for the tools that compile them.

Model: a build is a set of flags. The library (src/libctm) needs only its own headers and has two builds: that of the tests
(CTM_ASSERTS), and that of the wheel (CTM_EMBEDDED); a line that depends on one of the two options is compiled in one of the
builds. The extension (src/pyext) needs the headers of a CPython, and what it compiles to depends on the version: some files are
empty for one and not for another. It has a build for each supported CPython whose headers are here: those that pythons.sh
finds, Debian sid's among them.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
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
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


class Build(NamedTuple):
    """One of the ways in which a folder is compiled."""

    name: str  # for messages
    flags: tuple[str, ...]
    headers: Path | None = None  # the folder with Python.h; None: a build of the library


TESTED = Build("CTM_ASSERTS", ("-DCTM_ASSERTS",))
SHIPPED = Build("CTM_EMBEDDED", ("-DCTM_EMBEDDED",))


@functools.cache
def pythons():
    """The build for each supported CPython that is here, the newest of this machine's own first, Debian sid's last."""
    listed = subprocess.run([ROOT / "tools/pythons.sh", *VERSIONS], stdout=subprocess.PIPE, text=True, check=True)
    places = dict(line.split(" ", 1) for line in listed.stdout.splitlines())
    here = [version for version in VERSIONS if places[version] != "-"]
    here.sort(key=lambda version: places[version].startswith("sid:"))
    return [found for found in (build_for(version, places[version]) for version in here) if found is not None]


def build_for(version, place):
    """The build for the interpreter that pythons.sh names; None: it has no Python.h."""
    if place.startswith("sid:"):
        root = Path(os.environ.get("CTM_SID") or ROOT / "build" / "sid")
        folder = root / "usr" / "include" / f"python{version}"
        after = (f"-idirafter{folder.parent}",)  # pyconfig.h includes the one of the machine's kind from there
    else:
        command = [place, "-c", "import sysconfig; print(sysconfig.get_path('include'))"]
        folder, after = Path(subprocess.check_output(command, text=True).strip()), ()
    flags = (*SHIPPED.flags, f"-isystem{folder}", *after)
    return Build(f"Python {version}", flags, folder) if (folder / "Python.h").is_file() else None


def unseen():
    """The supported versions whose headers are not here."""
    here = {build.name for build in pythons()}
    return [version for version in VERSIONS if f"Python {version}" not in here]


def tell_unseen():
    """Print a line for each supported version that cannot be looked at."""
    for version in reversed(unseen()):
        print(f"::skip Python {version}: its headers are not here, so nothing was compiled for it")


def needs_python(folder):
    """Is the folder (for example "src/pyext") the extension's?"""
    return Path(folder).parts[:2] == ("src", "pyext")


def flags_of(folder, build):
    """The flags with which files of the folder are compiled in one of its builds."""
    return (*LIBRARY, "-Isrc/pyext", *ZYDIS, *build.flags) if needs_python(folder) else (*LIBRARY, *build.flags)


def builds_of(folder):
    """The builds of a folder."""
    return pythons() if needs_python(folder) else [TESTED, SHIPPED]


def compiler():
    """gcc, another C compiler, or None."""
    return shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")


def files_of(root, folder, ending):
    """The files below a folder of the tree, as paths from its root."""
    return sorted(path.relative_to(root).as_posix() for path in (Path(root) / folder).rglob(f"*{ending}"))


def blank_comments(text):
    """Replace comments by spaces: positions and line numbers stay the same."""
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def run_all(root, commands):
    """[(name, the compiler's messages, or None if there are none)]; commands: {name: command}."""

    def run(item):
        name, command = item
        done = subprocess.run(command, cwd=root, stderr=subprocess.PIPE, text=True)
        return name, done.stderr if done.returncode != 0 else None

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, commands.items()))


def headers_that_need_others(root, folder, build):
    """{header: the compiler's messages} of the headers below a folder that do not compile alone."""
    strict = ("-Wall", "-Werror", "-Wno-unused-function", "-fsyntax-only")
    flags = flags_of(folder, build)
    commands = {name: [compiler(), *flags, *strict, "-x", "c", name] for name in files_of(root, folder, ".h")}
    return {name: said for name, said in run_all(root, commands) if said is not None}


def defined_and_undefined(lines):
    """({its defined symbols}, {its undefined ones}) of an object, from the lines of `nm`."""
    rows = [line.split() for line in lines]
    return {row[-1] for row in rows if row[-2] in "TDRBCVW" and len(row) == 3}, {row[-1] for row in rows if row[-2] in "Uvw"}


def variables_in(lines):
    """[(name, section)] of what is not constant and outlives a call, from the lines of `nm -f sysv`."""
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.count("|") == 6]
    sections = (".data", ".bss", ".tdata", ".tbss", "*COM")
    found = {(row[0].split(".")[0], row[6]) for row in rows if row[6].startswith(sections)}
    return sorted((name, section) for name, section in found if not section.startswith(".data.rel.ro"))


@functools.cache
def objects_of(root, folder, build):
    """({file: (its symbols, its variables)}, {file: why it does not compile}) of the C files of a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        objects = {name: Path(scratch, f"{n}.o") for n, name in enumerate(files_of(root, folder, ".c"))}
        flags = (*flags_of(folder, build), "-O0", "-w", "-fPIC")
        commands = {name: [compiler(), *flags, "-c", name, "-o", to] for name, to in objects.items()}
        broken = {name: said for name, said in run_all(root, commands) if said is not None}
        found = {}
        for name in objects.keys() - broken.keys():
            symbols, variables = (
                subprocess.check_output(["nm", *options, objects[name]], text=True).splitlines()
                for options in ((), ("-f", "sysv"))
            )
            found[name] = defined_and_undefined(symbols), variables_in(variables)
    return {name: found[name] for name in objects if name in found}, broken


def variables_of(root, folder, build):
    """{file: [(name, section)]} of what is not constant and outlives a call, of the C files of a folder that compile."""
    return {name: variables for name, (_, variables) in objects_of(root, folder, build)[0].items()}


def symbols_of(root, folder, build):
    """({file: (its defined symbols, its undefined ones)}, {file: why it does not compile}) of the C files of a folder."""
    found, broken = objects_of(root, folder, build)
    return {name: symbols for name, (symbols, _) in found.items()}, broken


# --- which files differ from one build to another ---


EXPORTED = '__attribute__((visibility("default")))'


def own_texts(preprocessed):
    """{(file of the project, its text)}. Which symbols are exported is left out: only CTM_EMBEDDED decides it."""
    words, file = defaultdict(list), None
    for line in preprocessed.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            file = marker[1] if marker[1].startswith(("src/", "include/")) else None
        elif file is not None:
            words[file] += line.replace(EXPORTED, "").split()
    return {(name, " ".join(found)) for name, found in words.items()}


def make_stubs(root, folder):
    """Fill a folder with stubs: CPython's headers have the version and the configuration, base/assert.h has nothing."""
    Path(folder, "base").mkdir()
    Path(folder, "base", "assert.h").touch()
    names = {"Python.h"}
    for path in (Path(root) / "src" / "pyext").rglob("*.[ch]"):
        names.update(re.findall(r'^[ \t]*#[ \t]*include[ \t]+[<"]([^">]+)', path.read_text(encoding="utf-8"), re.M))
    for name in names - {"patchlevel.h", "pyconfig.h"}:
        if any((build.headers / name).is_file() for build in pythons()):
            stub = Path(folder, name)
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text("#include <patchlevel.h>\n#include <pyconfig.h>\n", encoding="utf-8")


def builds_of_files(root, names):
    """{file: the first of its builds, and each other one in which it or a header has a text that was in none before}.

    Only what the project asks of the version and of the options counts: CPython's own macros and the asserts are not expanded,
    so that a file is not looked at again because PyObject_HEAD, for one, has changed.
    """
    seen, builds = set(), {name: [] for name in names}
    with tempfile.TemporaryDirectory() as stubs:
        make_stubs(root, stubs)

        def preprocess(job):
            name, build = job
            command = [compiler(), "-E", f"-I{stubs}", *flags_of(name, build), name]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"{name} cannot be preprocessed, {build.name}:\n{done.stderr}")
            return name, build, own_texts(done.stdout)

        jobs = [(name, build) for name in names for build in builds_of(name)]
        jobs.sort(key=lambda job: builds_of(job[0]).index(job[1]))
        with ThreadPoolExecutor(2) as pool:
            for name, build, texts in pool.map(preprocess, jobs):
                if not builds[name] or texts - seen:
                    builds[name].append(build)
                    seen |= texts
    return builds
