"""How a block of each language is run, and its output compared with the page's.

Model: each page has a folder of its own, a copy of the source tree that the page's blocks use and fill; its commands find
the Python under test as `python`, and what is installed for it. That is the Python that runs this, or the one of run.py's
--python, which need not have anything that this needs.

- `console`: `$ COMMAND` lines and their output, all in one bash. A status other than 0 is printed as `[STATUS]`
  in a line after the output.
- `sh`: commands alone, `bash -e`.
- `python`: the blocks of a page are one program, PAGE.py, with continuous line numbers; a block that begins with imports,
  one of them of ctracemalloc, begins a new program, in a new process. Its output is the `text` block after it.
- `c`: a block with a `main` is a program. The others of a page are one program, in order: lines that begin with `#include`
  or `#define` at its top, the rest in `main`. Compiled as C11 without a warning, against libctm, and run up to this block.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import compare

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TREE = ROOT  # the source of each page's copy
NOT_COPIED = ("build", ".git", "__pycache__", ".mypy_cache", ".ruff_cache")
TIMEOUT = 300
C_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1"]
END = "\036"  # separates the outputs of two commands
HOME, PYTHON = "/home/you/ctracemalloc", "/usr/bin/python3"  # what pages show instead of this machine's paths


class Tested:
    """The Python under test."""

    path, version, prefixes = sys.executable, sys.version_info[:2], (sys.prefix, sys.base_prefix)
    only_console = False  # are blocks of other languages than console and sh left out?

    @classmethod
    def use(cls, path):
        ask = "import json, sys; print(json.dumps([sys.version_info[:2], [sys.prefix, sys.base_prefix]]))"
        version, prefixes = json.loads(subprocess.run([path, "-c", ask], capture_output=True, check=True).stdout)
        cls.path, cls.version, cls.prefixes = os.path.abspath(path), tuple(version), tuple(prefixes)

    @classmethod
    def lacks(cls, module):
        ask = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
        return subprocess.run([cls.path, "-c", ask, module]).returncode != 0


class Refresh:
    """With run.py --update: new outputs, written into the pages at the end."""

    wanted = False
    changes: list = []  # (path, start, end, text)

    @classmethod
    def write(cls):
        for path in {change[0] for change in cls.changes if change[0].is_file()}:  # pages of the tests themselves are gone
            text = path.read_text(encoding="utf-8")
            for _path, start, end, new in sorted((c for c in cls.changes if c[0] == path), key=lambda c: -c[1]):
                text = text[:start] + new + text[end:]
            path.write_text(text, encoding="utf-8")
            print(f"updated: {os.path.relpath(path, ROOT)}")


class Page:
    """State of one page from its first block to its last: its folder, the running program, and the C program so far."""

    def __init__(self, name):
        self.program_name = name + ".py"
        self.folder = Path(tempfile.mkdtemp(prefix="docs-"))
        self.work = self.folder / "ctm"  # below /tmp, as long as HOME, so that tables are aligned as in the page
        shutil.copytree(TREE, self.work, ignore=shutil.ignore_patterns(*NOT_COPIED), symlinks=True)
        self.session, self.outcomes, self.program, self.shown = None, None, "", 0
        self.output = self.folder / "output"
        self.output.touch()
        self.includes, self.body, self.printed, self.library = [], "", "", None

    def environment(self):
        keep = ("HOME", "LANG", "TMPDIR", "JAVA_HOME", "CC")
        env = {key: value for key, value in os.environ.items() if key in keep}
        programs = os.path.dirname(Tested.path)
        libraries = f"{self.work}/install/lib"
        path = f"{programs}:{os.environ['PATH']}"
        return {**env, "PATH": path, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "LD_LIBRARY_PATH": libraries}

    def start_session(self):
        self.end_session()
        read, write = os.pipe()
        self.session = subprocess.Popen(
            [Tested.path, HERE / "session.py", str(write), self.program_name],
            cwd=self.work,
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=open(self.output, "ab"),  # noqa: SIM115  Popen duplicates it
            stderr=subprocess.STDOUT,
            pass_fds=[write],
            start_new_session=True,
        )
        os.close(write)
        self.outcomes = os.fdopen(read)
        self.program = ""

    def end_session(self):
        if self.session is not None:
            self.session.stdin.close()
            try:
                self.session.wait(TIMEOUT)
            finally:
                kill_group(self.session.pid)
                self.outcomes.close()
                self.session = None

    def close(self):
        self.end_session()
        shutil.rmtree(self.folder, ignore_errors=True)

    def as_shown(self, text):
        """The text with the paths that the pages show instead of this machine's, and without the frames that run the blocks."""
        text = re.sub(rf' *File "{re.escape(str(HERE))}/.*\n.*\n', "", text)
        text = re.sub(rf"{re.escape(Tested.path)}[\d.]*", PYTHON, text.replace(str(self.work), HOME))  # also python3.13
        for prefix in Tested.prefixes:
            text = text.replace(prefix + "/", "/usr/")
        return text


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def bash(page, script, *flags):
    """Run a script and end all processes that it started. Returns (status, output)."""
    output = page.folder / "commands"
    with open(output, "wb") as file:
        process = subprocess.Popen(
            ["bash", *flags, "-c", script],
            cwd=page.work,
            env=page.environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(TIMEOUT)
        finally:
            kill_group(process.pid)
            process.wait()
    text = output.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"^bash: line \d+: +\d+ (Killed|Terminated) .*", r"\1", text, flags=re.M)  # as an interactive shell prints it
    return status, page.as_shown(text)


def compare_output(block, shown, actual, start):
    """`shown` is the page's output, which begins at offset `start`."""
    if block.output_from and Tested.version < tuple(map(int, block.output_from.split("."))):
        raise unittest.SkipTest(f"was run; its output is that of CPython {block.output_from} and newer")
    if compare.same_output(shown, actual, block.tolerance):
        return
    fresh = compare.refreshed(shown, actual) if Refresh.wanted else None
    if fresh is not None:
        end = start + len(shown.rstrip("\n"))
        Refresh.changes.append((block.path, start, end, fresh if shown.strip() else fresh + "\n"))
        return
    raise AssertionError(
        f"{block}: the output is another one.\n--- the page\n{shown.rstrip()}\n--- the program\n{actual.rstrip()}"
    )


# --- console, sh ---


def split_console(source):
    """[(command, output in the page, its offset)]"""
    found, offset = [], 0
    for line in source.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:], "", offset + len(line)])
        elif found and found[-1][1] == "" and found[-1][0].endswith("\\\n"):
            found[-1][0] += line
            found[-1][2] = offset + len(line)
        elif found:
            found[-1][1] += line
        else:
            raise AssertionError(f"a console block begins with a command, not with {line!r}")
        offset += len(line)
    return found


def run_console(block, page):
    commands = split_console(block.source)
    script = "".join(f"{command}\nprintf '{END}%d{END}' $?\n" for command, _shown, _where in commands)
    _status, text = bash(page, script)
    results = re.findall(rf"(.*?){END}(\d+){END}", text, re.DOTALL)
    if len(results) < len(commands):
        raise AssertionError(f"{block}: ended at {commands[len(results)][0].strip()!r}:\n{text[-2000:]}")
    for (_command, shown, where), (actual, status) in zip(commands, results, strict=True):
        if status != "0":
            actual += ("" if actual.endswith("\n") or not actual else "\n") + f"[{status}]\n"
        compare_output(block, shown, actual, block.start + where)


def run_sh(block, page):
    status, text = bash(page, block.source, "-e")
    if status != 0:
        raise AssertionError(f"{block}: exit status {status}:\n{text[-3000:]}")


# --- python ---


def run_python(block, page):
    begins = re.match(r"((import|from) .*\n|\n)*(import|from) ctracemalloc\b", block.source)
    if page.session is None or begins:
        page.start_session()
    first_line = page.program.count("\n") + 1
    page.program += block.source if block.source.endswith("\n") else block.source + "\n"
    (page.work / page.program_name).write_text(page.program, encoding="utf-8")
    message = json.dumps({"source": block.source, "line": first_line})
    page.session.stdin.write(message.encode() + b"\n")
    page.session.stdin.flush()
    answer = page.outcomes.readline()
    with open(page.output, encoding="utf-8", errors="replace") as file:
        file.seek(page.shown)
        actual = page.as_shown(file.read())
    page.shown = os.path.getsize(page.output)
    error = json.loads(answer) if answer else "the process ended"
    if error is not None:
        raise AssertionError(f"{block}:\n{actual[-2000:]}{error}")
    check_text(block, actual)


def check_text(block, actual):
    """Compare the output of code, which the page has in a block of its own."""
    if block.output is not None:
        block.output.tolerance = block.output.tolerance if block.output.tolerance is not None else block.tolerance
        block.output.output_from = block.output.output_from or block.output_from
        block.output.ran = True
        compare_output(block.output, block.output.source, actual, block.output.start)
    elif actual.strip():
        raise AssertionError(f"{block}: the page does not show what this prints:\n{actual[-2000:]}")


# --- c ---


def run_c(block, page):
    if re.search(r"\bmain\(", block.source):
        source = block.source
    else:
        lines = block.source.splitlines(keepends=True)
        page.includes += [line for line in lines if line.startswith(("#include", "#define"))]
        page.body += "".join(line for line in lines if not line.startswith(("#include", "#define")))
        top = "".join(dict.fromkeys(page.includes))
        source = f"{top}int main(void)\n{{\n{page.body}    return 0;\n}}\n"
    (page.work / "page.c").write_text(source, encoding="utf-8")
    if "ctm_" in source:  # it calls the library
        build_libctm(page)
    compiler = [os.environ.get("CC", "cc"), *C_FLAGS, "-Iinclude", "page.c", "-o", "page", *page_library(page)]
    done = subprocess.run(compiler, cwd=page.work, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{block}: does not compile without a warning:\n{done.stderr}\n{source}")
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(["./page"], cwd=page.work, timeout=TIMEOUT, **output)
    if done.returncode != 0:
        raise AssertionError(f"{block}: exit status {done.returncode}:\n{done.stdout}\n{source}")
    new = done.stdout.removeprefix(page.printed)
    if source != block.source:
        page.printed = done.stdout
    check_text(block, page.as_shown(new))


def page_library(page):
    return [str(page.library), "-pthread", "-lm"] if page.library else []


def build_libctm(page):
    """Build the library that the page has installed; else the core, in the way that docs/reference/c.md describes."""
    installed, page.library = page.work / "install" / "lib" / "libctm.a", page.folder / "libctm.a"
    if installed.exists():
        page.library = installed
        return
    if page.library.exists():
        return
    sources = sorted(str(path) for path in (page.work / "src" / "libctm").rglob("*.c"))
    objects = page.folder / "objects"
    objects.mkdir()
    flags = ["-std=c11", "-D_GNU_SOURCE", f"-I{page.work}/include", f"-I{page.work}/src/libctm", "-pthread"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-c", *sources], cwd=objects, check=True)
    subprocess.run(["ar", "rcs", page.library, *sorted(map(str, objects.glob("*.o")))], check=True)


# --- all ---


def run_text(block, page):
    if block.code is None:
        raise AssertionError("a text block that is no program's output: give it a `skip: next` with the reason")
    if not block.ran:
        raise unittest.SkipTest("output of a block that was not run")


LANGUAGES = {"console": run_console, "sh": run_sh, "python": run_python, "c": run_c, "text": run_text}


def run_block(block, namespace):
    if block.file is not None:
        (namespace["page"].work / block.file).write_text(block.source, encoding="utf-8")
        return
    if block.language not in LANGUAGES:
        language = block.language or "no language"
        raise AssertionError(f"nobody runs blocks of {language!r}: give it a `skip: next` with the reason")
    if Tested.only_console and block.language not in ("console", "sh"):
        raise unittest.SkipTest("only commands are run")
    LANGUAGES[block.language](block, namespace["page"])
