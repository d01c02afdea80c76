"""What is built: nothing half-built or of another kind that an earlier build left is used; the wheel has every module.

Model: a copy of the project with its own build description and a small C file in place of the extension's and the core's
sources. It is built as pip builds it, and built again.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

from cli_support import skip_most_pythons


def setUpModule():
    skip_most_pythons()


ROOT = Path(__file__).resolve().parent.parent.parent
SEARCHED = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # pip may have installed CMake beside this Python
PARTS = ("CMakeLists.txt", "pyproject.toml", "README.md", "LICENSE", "cmake", "third_party", "python", "tools/index_page.py",
         "include/ctm/ctm.h", "src/pyext/CMakeLists.txt")  # fmt: skip
SOURCE = """
#include <Python.h>
#ifndef NUMBER
#define NUMBER 1
#endif
int core_number(void);
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_ctracemalloc", .m_size = 0};
PyMODINIT_FUNC PyInit__ctracemalloc(void) {
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddIntConstant(module, "number", NUMBER);
    PyModule_AddIntConstant(module, "core", core_number());
    return module;
}
"""
CORE = "int core_number(void);\nint core_number(void) { return 7; }\n"
BUILD = """
import os, sys
os.environ["BUILDER"] = str(os.getpid())
import scikit_build_core.build
getattr(scikit_build_core.build, sys.argv[2])(sys.argv[1])
"""
# If its name contains HALF, this compiler writes half of its output; then the whole build is killed.
COMPILER = """#!/bin/sh
kill_build() {
    process=$$ all=
    while [ "$process" != "$BUILDER" ]; do
        process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status")
        all="$process $all"
    done
    kill -9 $all
    exit 1
}
last=
for word; do
    case $last$word in
    -o*"${HALF:-no such name}"*)
        printf 'half' >"$word"
        kill_build ;;
    esac
    last=$word
done
exec gcc "$@"
"""


IN_CI = ((3, 13), (3, 15))  # minutes for each; editable installs differ from 3.15 on


def lacks():
    if os.environ.get("CTM_SANITIZED") == "1":
        return "a build is nothing that a sanitizer looks at"
    if sys.version_info[:2] not in IN_CI and os.environ.get("CTM_LONG") != "1":
        return "builds are tried on 3.13 and 3.15; with CTM_LONG=1 on each Python"
    for program in ("gcc", "cmake"):
        if shutil.which(program, path=SEARCHED) is None:
            return f"{program} is not installed"
    return None if importlib.util.find_spec("scikit_build_core") else "scikit-build-core is not installed"


@unittest.skipIf(lacks(), lacks())
class BuildTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.project = Path(folder.name, "project")
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            (self.project / part).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / part, self.project / part)
        self.source = self.project / "src" / "pyext" / "module.c"
        self.source.write_text(SOURCE)
        core = self.project / "src" / "libctm" / "base" / "core.c"
        core.parent.mkdir(parents=True)
        core.write_text(CORE)
        self.compiler = Path(folder.name, "compiler")
        self.compiler.write_text(COMPILER)
        self.compiler.chmod(0o755)
        self.wheels = Path(folder.name, "wheels")

    def run_build(self, hook="build_wheel", **variables):
        environment = {key: value for key, value in os.environ.items() if key not in ("CFLAGS", "LDFLAGS", "LD_PRELOAD")}
        environment.update(variables, PATH=SEARCHED)
        command = [sys.executable, "-c", BUILD, str(self.wheels), hook]
        options = {"cwd": self.project, "env": environment, "timeout": 600}
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)

    def build(self, hook="build_wheel", **variables):
        """Build the wheel. Returns its path."""
        done = self.run_build(hook, **variables)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:])
        return next(self.wheels.glob("*.whl"))

    def assert_refused(self, words, **variables):
        done = self.run_build(**variables)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(words, " ".join(done.stdout.split()))

    def ask(self, expression):
        """The value of an expression in a process that has the wheel's extension as `m`."""
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(next(self.wheels.glob("*.whl"))) as archive:
                archive.extractall(folder)
            code = f"import _ctracemalloc as m; print({expression})"
            done = subprocess.run([sys.executable, "-S", "-c", code], cwd=Path(folder, "ctracemalloc"), capture_output=True,
                                  text=True)  # fmt: skip
        return done.stdout.strip() or done.stderr[-500:]

    def objects(self):
        """The modification time of each object and library."""
        made = [*self.project.glob("build/*/pyext/**/*.o"), *self.project.glob("build/*/pyext/*.so")]
        self.assertTrue(made)
        return {path.name: path.stat().st_mtime_ns for path in made}

    # --- what an earlier build has left ---

    def test_the_same_again_compiles_nothing(self):
        self.build()
        before = self.objects()
        self.assertIn("core.c.o", before)
        self.build()
        self.assertEqual(self.objects(), before)

    def test_a_changed_file_alone_is_compiled(self):
        self.build()
        before = self.objects()
        self.source.write_text(SOURCE.replace("#define NUMBER 1", "#define NUMBER 3"))
        self.build()
        after = self.objects()
        self.assertEqual(self.ask("m.number"), "3")
        self.assertEqual(after["core.c.o"], before["core.c.o"])
        self.assertNotEqual(after["module.c.o"], before["module.c.o"])

    def break_off(self, half):
        done = self.run_build(CC=str(self.compiler), HALF=half)
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stdout[-3000:])
        left = {path.name: path.read_bytes()[:4] for path in self.project.glob("build/*/pyext/**/*") if path.is_file()}
        self.assertIn(b"half", left.values())

    def test_a_library_that_a_killed_linker_left_half_written(self):
        self.build(CC=str(self.compiler))
        self.source.write_text(SOURCE.replace("#define NUMBER 1", "#define NUMBER 4"))
        self.break_off("_ctracemalloc.cpython")
        self.build(CC=str(self.compiler))
        self.assertEqual(self.ask("m.number"), "4")

    def test_an_object_that_a_killed_compiler_left_half_written(self):
        self.break_off("core.c.o")
        self.build(CC=str(self.compiler))
        self.assertEqual(self.ask("m.core"), "7")

    def test_other_flags_make_another_library(self):
        self.build()
        self.build(CFLAGS="-DNUMBER=2")
        self.assertEqual(self.ask("m.number"), "2")
        self.build()
        self.assertEqual(self.ask("m.number"), "1")

    def test_another_compiler_makes_another_library(self):
        self.build(CC="gcc")
        before = self.objects()
        self.build(CC=str(self.compiler))
        self.assertFalse(set(self.objects().items()) & set(before.items()))

    def test_another_release_of_python_makes_another_library(self):
        self.build()
        before = self.objects()
        record = next(self.project.glob("build/*/pyext/made-with"))
        exact = " ".join(sys.version.split())
        self.assertIn(exact, record.read_text())
        record.write_text(record.read_text().replace(exact, "3.1.0 (an earlier one)"))
        self.build()
        self.assertFalse(set(self.objects().items()) & set(before.items()))

    # --- what the wheel holds ---

    def test_every_module_is_in_the_wheel_and_nothing_else(self):
        package = self.project / "python" / "ctracemalloc"
        (package / "new" / "newer").mkdir(parents=True)
        for path in (package / "new" / "__init__.py", package / "new" / "newer" / "deep.py"):
            path.write_text("")
        shutil.rmtree(package / "__pycache__", ignore_errors=True)
        (package / "__pycache__").mkdir()
        (package / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"")
        with zipfile.ZipFile(self.build()) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
            licences = {name.split("/licenses/")[1] for name in archive.namelist() if "/licenses/" in name}
        folder = self.project / "python"
        files = (path for top in (package, folder / "ctracemalloc_pytest") for path in top.rglob("*"))
        modules = {str(path.relative_to(folder)) for path in files if path.is_file() and path.suffix != ".pyc"}
        extension = "ctracemalloc/_ctracemalloc" + sysconfig.get_config_var("EXT_SUFFIX")
        self.assertLessEqual({"ctracemalloc/py.typed", "ctracemalloc_pytest/__init__.py"}, modules)
        self.assertEqual(names, modules | {extension, "ctracemalloc.pth"})
        self.assertEqual(licences, {"LICENSE", "third_party/zydis/zydis/LICENSE", "third_party/zydis/zycore/LICENSE"})

    def test_the_same_sources_make_the_same_wheel(self):
        first = self.build().read_bytes()
        shutil.rmtree(self.project / "build")
        (self.project / "python" / "ctracemalloc" / "__init__.py").touch()
        self.assertEqual(self.build().read_bytes(), first)

    def test_what_was_removed_is_not_in_the_wheel(self):
        old = self.project / "python" / "ctracemalloc" / "_of_before.py"
        old.write_text("")
        self.build()
        old.unlink()
        with zipfile.ZipFile(self.build()) as archive:
            self.assertNotIn("ctracemalloc/_of_before.py", archive.namelist())

    def test_an_editable_install_is_traced_from_its_start(self):
        package = self.project / "python" / "ctracemalloc"
        shutil.rmtree(package)
        package.mkdir()
        (package / "__init__.py").write_text("from ._ctracemalloc import number\n")
        (package / "_startup").mkdir()
        (package / "_startup" / "__init__.py").write_text("")
        boot = "from .. import number\ndef boot():\n    print('booted with', number)\n"
        (package / "_startup" / "boot.py").write_text(boot)
        self.build("build_editable")
        environment = self.wheels.parent / "venv"
        venv.create(environment, with_pip=False)
        python = environment / "bin" / "python"
        site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('platlib'))"], text=True)
        with zipfile.ZipFile(next(self.wheels.glob("*.whl"))) as archive:
            archive.extractall(site.strip())
        (package / "added.py").write_text("")
        code = "import ctracemalloc.added as a; print(a.__file__)"
        done = subprocess.run([python, "-c", code], env={**os.environ, "CTRACEMALLOC": "1"}, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        # The site module reads a virtual environment's .pth files twice.
        self.assertEqual(set(done.stdout.splitlines()), {"booted with 1", str(package / "added.py")})

    # --- what is refused ---

    def let_python_say(self, question, answer):
        """The next builds get this answer of the interpreter to a question."""
        about = self.project / "cmake" / "about_python.py"
        self.assertEqual(about.read_text().count(question), 1)
        about.write_text(about.read_text().replace(question, repr(answer)))

    def test_a_python_without_headers_is_named_by_its_package(self):
        self.let_python_say('sysconfig.get_path("include")', "/nowhere")
        package = "python%d.%d-dev" % sys.version_info[:2]
        self.assert_refused(f"no Python.h in /nowhere (on Debian: {package})")

    def test_other_implementations(self):
        self.let_python_say("sys.implementation.name", "pypy")
        self.assert_refused("ctracemalloc is for CPython, not for pypy")

    def test_other_versions(self):
        self.let_python_say('"{}.{}".format(*sys.version_info)', "3.16")
        self.assert_refused("ctracemalloc knows CPython 3.11 to 3.15, not 3.16")

    def test_other_systems(self):
        toolchain = self.project / "other.cmake"
        toolchain.write_text("set(CMAKE_SYSTEM_NAME FreeBSD)\n")
        self.assert_refused("ctracemalloc runs on Linux only for now, not on FreeBSD", CMAKE_TOOLCHAIN_FILE=str(toolchain))


if __name__ == "__main__":
    unittest.main()
