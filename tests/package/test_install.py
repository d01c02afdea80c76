"""install() and uninstall(), and starting before the program's first line."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
import venv
from pathlib import Path

import ctracemalloc

PACKAGE = Path(ctracemalloc.__file__).resolve().parent
HOOK = "ctracemalloc.pth"
SOURCE = Path(__file__).resolve().parents[2] / "python"


class CodeTest(unittest.TestCase):
    def python(self, *arguments, python=sys.executable, **variables):
        environment = {
            key: value for key, value in os.environ.items() if key not in ("CTRACEMALLOC", "PYTHONTRACEMALLOC", "PYTHONPATH")
        }
        if "PYTHONPATH" in os.environ:
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        environment.update(variables)
        return subprocess.run(
            [python, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def run_code(self, code, *flags, **options):
        result = self.python(*flags, "-c", textwrap.dedent(code), **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result


class InstallTest(CodeTest):
    def check(self, code, *flags, **options):
        """Run assertions in a process of their own; their messages are the process's."""
        code = "import sys, ctracemalloc\n" + textwrap.dedent(code)
        return self.run_code(code, *flags, **options)

    def test_both_names(self):
        self.check("""
            ctracemalloc.install()
            import tracemalloc, _tracemalloc
            from tracemalloc import Snapshot
            assert tracemalloc is _tracemalloc is ctracemalloc
            assert Snapshot is ctracemalloc.Snapshot
        """)

    def test_uninstall_removes_what_was_not_there(self):
        self.check("""
            sys.modules.pop("tracemalloc", None), sys.modules.pop("_tracemalloc", None)
            ctracemalloc.install()
            ctracemalloc.uninstall()
            assert "tracemalloc" not in sys.modules and "_tracemalloc" not in sys.modules
            import tracemalloc, _tracemalloc
            assert tracemalloc is not ctracemalloc
            assert tracemalloc.start is _tracemalloc.start is not ctracemalloc.start
        """)

    def test_uninstall_restores_what_was_there(self):
        self.check("""
            import tracemalloc as old, _tracemalloc as old_c
            ctracemalloc.install()
            ctracemalloc.install()
            import tracemalloc
            assert tracemalloc is ctracemalloc and old is not ctracemalloc
            ctracemalloc.uninstall()
            assert sys.modules["tracemalloc"] is old and sys.modules["_tracemalloc"] is old_c
            ctracemalloc.uninstall()
            assert sys.modules["tracemalloc"] is old
            ctracemalloc.install()
            assert sys.modules["tracemalloc"] is ctracemalloc
        """)

    def test_uninstall_leaves_another_module(self):
        self.check("""
            ctracemalloc.install()
            sys.modules["tracemalloc"] = other = type(sys)("tracemalloc")
            ctracemalloc.uninstall()
            assert sys.modules["tracemalloc"] is other
        """)

    def test_tracing_is_not_touched(self):
        self.check("""
            import tracemalloc as old
            ctracemalloc.install()
            assert not old.is_tracing() and not ctracemalloc.is_tracing()
            ctracemalloc.start(3)
            ctracemalloc.uninstall()
            assert ctracemalloc.is_tracing() and ctracemalloc.get_traceback_limit() == 3
            ctracemalloc.stop()
        """)

    def test_warnings_say_where_the_object_was_allocated(self):
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "script.py")
            script.write_text(
                textwrap.dedent("""
                    import sys, ctracemalloc
                    ctracemalloc.install()
                    ctracemalloc.start(5)
                    def leak():
                        file = open(sys.argv[0])
                    leak()
                """),
                encoding="utf-8",
            )
            result = self.python("-W", "always", script)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("ResourceWarning: unclosed file", result.stderr)
        self.assertIn("Object allocated at (most recent call last):", result.stderr)
        self.assertIn(f'File "{script}", lineno 6', result.stderr)
        self.assertNotIn("Enable tracemalloc", result.stderr)

    def test_module_attributes_of_the_standard_module(self):
        import tracemalloc

        missing = [name for name in vars(tracemalloc) if not name.startswith("__") and not hasattr(ctracemalloc, name)]
        self.assertEqual(missing, [])
        self.assertFalse(hasattr(ctracemalloc, "__all__"))


def hook_is_active():
    """Is ctracemalloc.pth in a folder where this interpreter reads .pth files?"""
    import site

    return any(Path(folder, HOOK).is_file() for folder in site.getsitepackages())


STATE = """
    import sys
    module = sys.modules.get("ctracemalloc")
    print(module and (module.is_tracing(), module.get_traceback_limit()))
"""


@unittest.skipUnless(hook_is_active(), f"{HOOK} is not in site-packages: not installed by pip")
class EnvironmentTest(CodeTest):
    def state(self, *flags, **variables):
        return self.run_code(STATE, *flags, **variables).stdout.strip()

    def test_number_of_frames(self):
        self.assertEqual(self.state(CTRACEMALLOC="1"), "(True, 1)")
        self.assertEqual(self.state(CTRACEMALLOC="25"), "(True, 25)")
        self.assertEqual(self.state(CTRACEMALLOC="65535"), "(True, 65535)")

    def test_off(self):
        self.assertEqual(self.state(), "None")
        self.assertEqual(self.state(CTRACEMALLOC=""), "None")
        self.assertEqual(self.state(CTRACEMALLOC="0"), "None")
        self.assertEqual(self.state(CTRACEMALLOC="00"), "(False, 1)")

    def test_ignored_environment(self):
        for flag in ("-E", "-I"):
            self.assertEqual(self.state(flag, CTRACEMALLOC="5"), "None")

    def test_what_is_not_a_number_of_frames_ends_the_process(self):
        for text in ("yes", "-1", "65536", "1.5", "99999999999999999999", "1 2", "٣"):
            with self.subTest(text=text):
                result = self.python("-c", "print('ran')", CTRACEMALLOC=text)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertIn("CTRACEMALLOC=", result.stderr)
                self.assertIn("[1; 65535]", result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def test_first_line_is_traced(self):
        code = "held = bytearray(12345); import ctracemalloc;print(ctracemalloc.get_object_traceback(held))"
        self.assertEqual(self.run_code(code, CTRACEMALLOC="1").stdout, "<string>:1\n")

    def test_install_before_the_first_line(self):
        code = """
            import socket, tracemalloc
            print(tracemalloc.__name__, tracemalloc.is_tracing())
            def leak():
                return socket.socket()
            leak()
        """
        birth = r'unclosed <socket.*\n(?:.*\n)*?Object allocated at .*\n  File "<string>", lineno 6\n'
        for value, name in (("1", "ctracemalloc True"), ("0", "tracemalloc False"), ("", "tracemalloc False")):
            result = self.run_code(code, "-W", "always", CTRACEMALLOC="3", CTRACEMALLOC_INSTALL=value)
            self.assertEqual(result.stdout.strip(), name)
            self.assertEqual(bool(re.search(birth, result.stderr)), value == "1", result.stderr)
            self.assertEqual("Enable tracemalloc" in result.stderr, value != "1")
        self.assertEqual(self.run_code("import tracemalloc", CTRACEMALLOC_INSTALL="1").stderr, "")  # of CTRACEMALLOC only
        result = self.python("-c", "print('ran')", CTRACEMALLOC="1", CTRACEMALLOC_INSTALL="yes")
        self.assertEqual((result.returncode, result.stdout, result.stderr.count("\n")), (1, "", 1))
        self.assertIn("CTRACEMALLOC_INSTALL='yes'", result.stderr)

    def test_children_inherit_it(self):
        code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
        result = self.python("-c", code, textwrap.dedent(STATE), CTRACEMALLOC="9")
        self.assertEqual(result.stdout, "(True, 9)\n")

    def test_nothing_is_imported_when_it_is_absent(self):
        code = "import sys; print([name for name in sys.modules if 'tracemalloc' in name])"
        self.assertEqual(self.run_code(code).stdout, "[]\n")


class HookTest(CodeTest):
    """The hook in a bare environment, alone or with the package."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        home = Path(folder.name)
        venv.create(home, with_pip=False, symlinks=True)
        self.bare = str(home / "bin" / "python")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.packages = home / "lib" / version / "site-packages"
        for place in (PACKAGE.parent, *map(Path, sys.path)):
            if (place / HOOK).is_file():
                shutil.copy(place / HOOK, self.packages)
                return
        self.skipTest(f"{HOOK} is not to be found")

    def run_bare(self, **variables):
        variables.setdefault("PYTHONPATH", "")
        return self.run_code(STATE, python=self.bare, **variables)

    def test_package_is_gone(self):
        result = self.run_bare()
        self.assertEqual((result.stdout, result.stderr), ("None\n", ""))
        result = self.run_bare(CTRACEMALLOC="1")
        self.assertEqual(result.stdout, "None\n")
        # The site module reads a virtual environment's .pth files twice.
        self.assertEqual(
            set(result.stderr.splitlines()),
            {"ctracemalloc: not traced: No module named 'ctracemalloc'"},
        )

    def test_package_is_half_gone(self):
        shutil.copytree(PACKAGE, self.packages / "ctracemalloc")
        for extension in (self.packages / "ctracemalloc").glob("_ctracemalloc*"):
            extension.unlink()
        result = self.run_bare()
        self.assertEqual((result.stdout, result.stderr), ("None\n", ""))
        result = self.run_bare(CTRACEMALLOC="1")
        self.assertEqual(result.stdout, "None\n")
        self.assertIn("ctracemalloc: not traced: ", result.stderr)

    def test_in_a_virtual_environment(self):
        shutil.copytree(PACKAGE, self.packages / "ctracemalloc")
        self.assertEqual(self.run_bare(CTRACEMALLOC="4").stdout, "(True, 4)\n")


class VersionTest(CodeTest):
    def test_unknown_versions_are_refused(self):
        for version in ((3, 10), (3, 16), (4, 0)):
            code = f"import sys; sys.version_info = {(*version, 0, 'final', 0)}; import ctracemalloc"
            result = self.python("-c", code)
            self.assertEqual(result.returncode, 1)
            last = result.stderr.splitlines()[-1]
            self.assertIn(
                f"ImportError: ctracemalloc knows CPython 3.11 to 3.15, not {version[0]}.{version[1]}:",
                last,
            )


class MetadataTest(unittest.TestCase):
    def setUp(self):
        try:
            self.distribution = importlib.metadata.distribution("ctracemalloc")
        except importlib.metadata.PackageNotFoundError:
            self.skipTest("ctracemalloc is not installed by pip")

    def test_one_version(self):
        self.assertEqual(self.distribution.version, ctracemalloc.__version__)

    def test_version_is_above_the_released_ones(self):
        """While the changelog has an unreleased part, the installed version is not one that was released."""
        changelog = (Path(__file__).resolve().parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
        unreleased = re.search(r"^## \[Unreleased\]\n(.*?)^## ", changelog, re.M | re.S)
        newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.M)
        numbers = [int(number) for number in re.findall(r"\d+", ctracemalloc.__version__)[:3]]
        released = [int(number) for number in newest[1].split(".")]
        if unreleased is not None and unreleased[1].strip():
            self.assertGreater(numbers, released)
        else:
            self.assertEqual(ctracemalloc.__version__, newest[1])

    def test_installed_library_is_stripped(self):
        if "1" in (os.environ.get("CTM_DEBUG"), os.environ.get("CTM_SANITIZED")):
            self.skipTest("CTM_DEBUG=1 keeps the debug information, and so does the sanitizers' build")
        library = Path(ctracemalloc._ctracemalloc.__file__).read_bytes()
        for section in (b".debug_info", b".symtab"):
            self.assertNotIn(section + b"\0", library)

    def test_nothing_is_needed_at_run_time(self):
        self.assertEqual([need for need in self.distribution.requires or [] if "extra ==" not in need], [])

    def test_hook_and_types_are_installed(self):
        names = {str(path) for path in self.distribution.files}
        self.assertIn(HOOK, names)
        for name in ("py.typed", "__init__.pyi", "_startup/pythonpath/sitecustomize.py"):
            if "site-packages" in str(PACKAGE) or "dist-packages" in str(PACKAGE):
                self.assertIn(f"ctracemalloc/{name}", names)
            self.assertTrue((PACKAGE / name).is_file(), name)

    def test_every_file_of_the_source_tree_is_installed(self):
        if PACKAGE.is_relative_to(SOURCE):
            self.skipTest("an editable install: the package is the source tree")
        wanted = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if is_source(path)}
        self.assertIn("ctracemalloc/render/text/units.py", wanted)
        installed = {str(path) for path in self.distribution.files}
        self.assertEqual(wanted - installed, set())
        built = {name for name in installed if name.startswith("ctracemalloc/") and is_source(Path(name))}
        self.assertEqual(built - wanted, set())


def is_source(path):
    return path.suffix in (".py", ".pyi", ".pth") or path.name == "py.typed"


class ImportTest(CodeTest):
    def test_the_package_alone_imports_no_report_and_no_entry_point(self):
        code = "import sys, ctracemalloc; print(*(name for name in sys.modules if name.startswith('ctracemalloc.')))"
        rooms = {name.split(".")[1] for name in self.python("-c", code).stdout.split()}
        self.assertIn("recording", rooms)
        self.assertEqual(rooms & {"_startup", "cli", "run", "render", "model"}, set())


if __name__ == "__main__":
    unittest.main()
