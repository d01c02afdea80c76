"""tests/run_all.py with tests that end their process: each costs itself, and the others are counted."""

import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from cli_support import skip_most_pythons

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import run_all  # noqa: E402


def setUpModule():
    skip_most_pythons()


TESTS = """
import os, unittest

class T(unittest.TestCase):
    def test_0(self): pass

    @unittest.skip("why")
    def test_1(self): pass

    @unittest.expectedFailure
    def test_2(self): self.fail()

    def test_3(self):
        for i in range(2):
            with self.subTest(i=i):
                self.assertEqual(i, 0)

    def test_4(self): END
    def test_5(self): self.fail("five")
    def test_6(self): pass
"""


class EndedProcessTest(unittest.TestCase):
    def outcome(self, end, **replaced):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_it.py").write_text(TESTS.replace("END", end), encoding="utf-8")
            command = ["-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "tests.conftest", f"--rootdir={folder}", folder]
            suite = run_all.Suite("x", command, 300)
            replaced = {"LOGS": folder, "report": mock.Mock(), **replaced}
            with mock.patch.multiple(run_all, **replaced):
                return run_all.run_suite(suite, run_all.Python("3", [], sys.executable), False)

    def counts(self, outcome):
        return outcome.status, outcome.passed, outcome.failed, outcome.skipped

    def test_the_tests_after_it_are_run(self):
        for end, how in (
            ("os._exit(0)", "it ended the process, with status 0"),
            ("os.abort()", "it ended the process, with status -6"),
        ):
            with self.subTest(end):
                outcome = self.outcome(end)
                # test_0, test_2, test_6 and pytest's count of test_3, whose failure is that of a subtest
                self.assertEqual(self.counts(outcome), ("FAIL", 4, 3, 1))
                failed = [reason for reason in outcome.reasons if not reason.startswith(" ")]
                self.assertEqual(failed, ["test_it.py::T::test_3", "test_it.py::T::test_4", "T.test_5"])
                self.assertIn("    " + how, outcome.reasons)
                self.assertEqual("    Fatal Python error: Aborted" in outcome.reasons, end == "os.abort()")

    def test_a_hang_is_named_and_the_rest_is_counted(self):
        run_logged = run_all.run_logged

        def not_in_time(*arguments):
            return None if run_logged(*arguments) == 5 else 0

        outcome = self.outcome("os._exit(5)", run_logged=not_in_time)
        self.assertEqual(self.counts(outcome), ("FAIL", 3, 2, 1))
        self.assertIn("    no end after 300 s of the suite", outcome.reasons)
        self.assertIn("test_it.py::T::test_4", outcome.reasons)
        self.assertIn("what was left of it was not run", outcome.reasons[-1])

    def test_a_child_that_goes_on_as_pytest(self):
        outcome = self.outcome("os.fork() or self.fail()")
        self.assertEqual(outcome.status, "FAIL")
        self.assertIn("2 lines of counts", outcome.reasons[-1])

    def test_it_is_not_tried_for_ever(self):
        outcome = self.outcome("os.abort()", MOST_PROCESSES=1)
        self.assertEqual(self.counts(outcome), ("FAIL", 3, 2, 1))


if __name__ == "__main__":
    unittest.main()
