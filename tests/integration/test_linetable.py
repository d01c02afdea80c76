"""The line table decoder against CPython's, for every code unit of the standard library.

src/pyext/capture/frames/linetable.c is compiled alone and called through ctypes; co_lines() is the oracle. `make test` reads
every tenth file, `make test-long` every file.
"""

import ctypes
import os
import random
import shutil
import subprocess
import sysconfig
import tempfile
import types
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "pyext" / "capture" / "frames" / "linetable.c"
STEP = 1 if os.environ.get("CTM_LONG") else 10


class Place(ctypes.Structure):
    """pyctm_linetable_place: where a lookup ended."""

    _fields_ = [("at", ctypes.c_size_t), ("unit", ctypes.c_int), ("line", ctypes.c_int)]


def code_objects(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def expected_lines(code):
    """The line of each code unit; -1: it has none."""
    lines = []
    for start, end, line in code.co_lines():
        lines += [-1 if line is None else line] * ((end - start) // 2)
    return lines


class LineTableTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise unittest.SkipTest("no C compiler")
        cls.folder = tempfile.TemporaryDirectory()
        library = os.path.join(cls.folder.name, "linetable.so")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", f"-I{ROOT}/src/pyext", "-o", library, SOURCE], check=True)
        cls.line_of = ctypes.CDLL(library).pyctm_linetable_line
        cls.line_of.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.POINTER(Place),
        ]  # fmt: skip

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check(self, code):
        table, first = code.co_linetable, code.co_firstlineno
        expected = expected_lines(code)
        # A lookup continues where the last one ended, or starts over: in order, in random order, and each by itself.
        step = max(1, len(expected) // 200)
        units = range(0, len(expected), step)
        place, mixed = Place(), Place()
        for unit, other in zip(units, random.sample(units, len(units)), strict=True):
            lines = [
                self.line_of(table, len(table), first, unit, place),
                self.line_of(table, len(table), first, unit, Place()),
                self.line_of(table, len(table), first, other, mixed),
            ]
            if lines != [expected[unit], expected[unit], expected[other]]:
                self.fail(f"{code.co_filename}:{code.co_qualname} units {unit}, {other}: {lines}")
        self.assertEqual(self.line_of(table, len(table), first, -1, place), first)
        self.assertEqual(self.line_of(table, len(table), first, len(expected), place), -1)
        return len(units)

    def test_the_standard_library(self):
        files = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
        files = [path for path in files if "site-packages" not in path.parts][::STEP]
        units = 0
        for path in files:
            try:
                code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            except (SyntaxError, ValueError):
                continue  # test data that is invalid on purpose
            for inner in code_objects(code):
                units += self.check(inner)
        self.assertGreater(units, 20_000)

    def test_broken_tables_end(self):
        for length in range(6):
            for byte in (0x00, 0x40, 0x7F, 0x80, 0xF0, 0xF8, 0xFF):
                self.line_of(bytes([byte]) * length, length, 1, 10, Place())


if __name__ == "__main__":
    unittest.main()
