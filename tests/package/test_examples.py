"""The programs in examples/python run, and print what their text says."""

import sys
import unittest
from pathlib import Path

from cli_support import ProgramTest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples" / "python"


class ExampleTest(ProgramTest):
    def run_example(self, name, *arguments):
        result = self.python(EXAMPLES / name, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_peak_and_churn(self):
        text = self.run_example("peak_and_churn.py")
        peak, churn = text.split("what made the peak:\n")[1].split("who allocated most, and how much of it is left:\n")
        self.assertRegex(peak, r"\A +5,\d{3},\d{3} bytes in 7\d,\d{3} blocks: line 10, read_table\n")
        self.assertRegex(churn, r"\A +8,\d{3},\d{3} bytes in 11\d,\d{3} blocks, \d+ left: line 10, read_table\n")
        self.assertIn("line 14, total_length\n", churn)

    def test_black_box(self):
        runs, killed, peak = self.run_example("black_box.py").splitlines()
        self.assertRegex(runs, r"^it runs: 10,\d{3},\d{3} bytes in 10,00\d blocks at line 5, load$")
        self.assertEqual(killed, runs.replace("it runs", "it was killed"))
        self.assertRegex(peak, r"^at the peak: 10,\d{3},\d{3} bytes there$")

    def test_service(self):
        grew, most = self.run_example("service.py").splitlines()
        # Of this line alone: the program asks itself, and has a buffer for the answer at a moment that varies.
        size = 1507 if sys.version_info >= (3, 15) else 1495  # from 3.15 on a bytearray keeps its bytes in an object of bytes
        self.assertEqual(grew, f"handle at line 17 grew by +{size} KiB in +600 blocks")  # a bytearray is two
        self.assertEqual(most, "most is at ('service.py', '17')")

    def test_others(self):
        for name in ("first_steps.py", "find_a_leak.py", "in_place.py"):
            with self.subTest(name):
                self.assertTrue(self.run_example(name))
        self.assertIn("different words", self.run_example("words.py", EXAMPLES / "words.py"))


if __name__ == "__main__":
    unittest.main()
