"""For the launcher: the interpreter's options, and whether a wrapper started the launcher.

Model: the usual command is `python OPTIONS -m ctracemalloc run PROGRAM`. A wrapper (`python OPTIONS -m cProfile -m
ctracemalloc run PROGRAM`, coverage, memray, a zip application) has arguments of its own, which are not the interpreter's. The
interpreter's options end at the first argument that names a program, as for CPython's own getopt. The launcher replaces the
whole process, and with it the wrapper. State that the wrapper left in the process must not reach the program: timers
survive an exec, and their signals would kill the program. What a zip application put on sys.path must reach it.
"""

import os
import signal
import site
import sys

import ctracemalloc

MAIN = os.path.join(os.path.dirname(ctracemalloc.__file__), "__main__.py")
LONG_WITH_VALUE = "--check-hash-based-pycs"
SHORT_WITH_VALUE = "WX"
NAMES_PROGRAM = "cm"
CONSOLE_SCRIPT = "ctracemalloc"
TIMERS = ((signal.ITIMER_REAL, signal.SIGALRM), (signal.ITIMER_VIRTUAL, signal.SIGVTALRM), (signal.ITIMER_PROF, signal.SIGPROF))


def split_command(words: list[str]) -> tuple[list[str], list[str]]:
    """Split a command line into the interpreter's options and the program: ["-m", NAME, …], ["-c", CODE, …] or [SCRIPT, …]."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--":
            return words[:index], words[index + 1 :]
        if not word.startswith("-") or word == "-":
            break
        if word.startswith("--"):
            index += 2 if word == LONG_WITH_VALUE else 1
            continue
        for position, letter in enumerate(word[1:], start=1):
            rest = word[position + 1 :]
            if letter in NAMES_PROGRAM:
                before = words[:index] + ([word[:position]] if position > 1 else [])
                following = words[index + 1 :]
                return before, [f"-{letter}", rest, *following] if rest else [f"-{letter}", *following]
            if letter in SHORT_WITH_VALUE:
                index += 0 if rest else 1
                break
        index += 1
    return words[:index], words[index:]


def wrapper_of(program: list[str]) -> str | None:
    """The name of the program that runs the launcher; None: the interpreter runs it directly."""
    if program[:1] == ["-m"]:
        name = " ".join(program[:2])
        return None if program[1:2] in (["ctracemalloc"], ["ctracemalloc.__main__"]) else name
    if program[:1] == ["-c"]:
        return "-c"
    if program and (os.path.realpath(program[0]) == os.path.realpath(MAIN) or is_console_script(program)):
        return None
    return os.path.basename(program[0]) if program else None


def is_console_script(program: list[str]) -> bool:
    """Is it the command `ctracemalloc` that an installer made? The options before it are those of its first line (#!)."""
    return bool(program) and os.path.basename(program[0]) == CONSOLE_SCRIPT


def executable(wrapped: bool) -> str:
    """The interpreter's path. A wrapper may have replaced sys.executable by a script of its own (scalene does)."""
    import shutil

    if not wrapped:
        return sys.executable
    try:
        running = os.path.realpath("/proc/self/exe")
    except OSError:
        return sys.executable
    first = shutil.which(sys.orig_argv[0]) if sys.orig_argv else None
    for path in (sys.executable, first):
        if path is not None and os.path.realpath(path) == running:
            return os.path.abspath(path)
    return sys.executable


def end_timers() -> None:
    """Stop the timers whose signals the wrapper handles in this process: the program has no handlers for them."""
    for timer, number in TIMERS:
        if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN):
            signal.setitimer(timer, 0)


def paths_of_application(program: list[str]) -> list[str]:
    """Entries that an application in a zip file or a folder added to sys.path: its program imports what is packed with it."""
    import zipfile

    if not program or program[0].startswith("-"):
        return []
    if not (os.path.isdir(program[0]) or zipfile.is_zipfile(program[0])):
        return []
    import sysconfig  # imported late: it imports threading, which the program must not find imported

    paths = sysconfig.get_paths()
    own = {paths["stdlib"], paths["platstdlib"], os.path.dirname(os.__file__), *site.getsitepackages()}
    own.add(site.getusersitepackages())
    own.add(os.path.join(paths["platstdlib"], "lib-dynload"))
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    return [
        os.path.abspath(path)
        for path in sys.path
        if path and path not in own and not path.endswith(f"python{version}.zip") and os.path.exists(path)
    ]
