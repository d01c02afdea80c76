"""setup.py: what an earlier build has left, whole, half or of another kind, is never taken for what is to be built.

Model: a small project with one module and one extension is built by our commands, as pip runs them, and built again.
"""

import glob
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
HAS_SETUPTOOLS = importlib.util.find_spec("setuptools") is not None

BUILD = """
import sys
sys.path.insert(0, {root!r})
import setup as ours
from setuptools import Extension, setup
setup(name="small", version="1", package_dir={{"": "python"}}, packages=["ctracemalloc"],
      ext_modules=[Extension("ctracemalloc._small", ["small.c"])],
      cmdclass={{"build_ext": ours.BuildExtWhole, "build_py": ours.BuildPyWithHook}})
"""
SOURCE = """
#include <Python.h>
#ifndef NUMBER
#define NUMBER 1
#endif
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_small", .m_size = 0};
PyMODINIT_FUNC PyInit__small(void) {
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddIntConstant(module, "number", NUMBER);
    return module;
}
"""
# Writes part of the library, then the whole build is killed.
KILLED_LINKER = """
while [ "$1" != -o ]; do shift; done
printf 'half' >"$2"
kill -9 "$PPID"
"""


def import_setup():
    spec = importlib.util.spec_from_file_location("ctm_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@unittest.skipUnless(HAS_SETUPTOOLS, "setuptools is not installed")
class BuildAgainTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.project = Path(folder.name)
        package = self.project / "python" / "ctracemalloc"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("from ._small import number\n" + "# a comment\n" * 100)
        (self.project / "python" / "ctracemalloc.pth").write_text("")
        (self.project / "small.c").write_text(SOURCE)
        (self.project / "build_it.py").write_text(BUILD.format(root=str(ROOT)))
        (self.project / "linker.sh").write_text(KILLED_LINKER)

    def build(self, **variables):
        """The exit status."""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables}
        command = [sys.executable, "build_it.py", "-q", "build"]
        done = subprocess.run(command, cwd=self.project, env=environment, capture_output=True, text=True)
        if done.returncode > 0:
            self.fail(done.stderr[-2000:])
        return done.returncode

    def built(self):
        return Path(glob.glob(f"{glob.escape(str(self.project))}/build/lib*/ctracemalloc")[0])

    def number(self):
        code = "import ctracemalloc; print(ctracemalloc.number)"
        done = subprocess.run([sys.executable, "-S", "-c", code], cwd=self.built().parent, capture_output=True, text=True)
        return done.stdout.strip() or done.stderr[-500:]

    def test_a_library_that_a_killed_linker_left_half_written(self):
        self.assertEqual(self.build(LDSHARED="sh linker.sh"), -9)
        self.assertIn("half", {path.read_bytes()[:4].decode(errors="replace") for path in self.built().glob("_small*")})
        self.build()
        self.assertEqual(self.number(), "1")
        self.assertEqual(len(list(self.built().glob("_small*"))), 1)

    def test_other_flags_make_another_library(self):
        self.build()
        self.build(CFLAGS="-DNUMBER=2")
        self.assertEqual(self.number(), "2")
        self.build()
        self.assertEqual(self.number(), "1")

    def test_the_same_again_compiles_nothing(self):
        self.build()
        before = {path.name: path.stat().st_mtime_ns for path in self.built().glob("_small*")}
        self.build()
        self.assertEqual({path.name: path.stat().st_mtime_ns for path in self.built().glob("_small*")}, before)

    def test_modules_of_another_version_and_half_copied_ones(self):
        self.build()
        module = self.built() / "__init__.py"
        whole = module.read_text()
        module.write_text(whole[:50])
        (self.built() / "_of_before.py").write_text("")
        self.build()
        self.assertEqual(module.read_text(), whole)
        self.assertFalse((self.built() / "_of_before.py").exists())


@unittest.skipUnless(HAS_SETUPTOOLS, "setuptools is not installed")
class HeadersTest(unittest.TestCase):
    def test_a_python_without_headers_is_told_by_its_package(self):
        setup = import_setup()
        with mock.patch.object(setup.sysconfig, "get_path", return_value="/nowhere"), self.assertRaises(SystemExit) as told:
            setup.BuildExtWhole.refuse_without_headers()
        self.assertIn("no Python.h in /nowhere", str(told.exception))
        self.assertIn("python%d.%d-dev" % sys.version_info[:2], str(told.exception))


if __name__ == "__main__":
    unittest.main()
