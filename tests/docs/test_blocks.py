"""Faults of a page are found: each of these short pages has one, or none."""

import tempfile
import unittest
from pathlib import Path

import blocks
from test_pages import make_sybil, page_suite


class BlockTest(unittest.TestCase):
    def setUp(self):
        tree = tempfile.TemporaryDirectory()  # these pages use no file of the source tree
        self.addCleanup(tree.cleanup)
        self.addCleanup(setattr, blocks, "TREE", blocks.TREE)
        blocks.TREE = tree.name

    def run_page(self, text):
        """Run a page. Returns unittest's result."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "page.md")
            path.write_text(text, encoding="utf-8")
            result = unittest.TestResult()
            page_suite(make_sybil(), path).run(result)
        return result

    def check_right(self, text):
        result = self.run_page(text)
        self.assertEqual((result.failures, result.errors, result.skipped), ([], [], []))
        self.assertGreater(result.testsRun, 0)

    def check_fault(self, text, message):
        result = self.run_page(text)
        self.assertEqual((len(result.failures), result.errors), (1, []))
        self.assertIn(message, result.failures[0][1])

    def test_language_that_cannot_be_run(self):
        self.check_fault("```rust\nfn main() {}\n```\n", "nobody runs blocks of 'rust'")
        self.check_fault("```\nwhat?\n```\n", "nobody runs blocks of 'no language'")
        self.check_fault("```text\nwhat?\n```\n", "no program's output")

    def test_reason_of_a_skip(self):
        result = self.run_page('<!--- skip: next "a drawing" -->\n\n```text\n->\n```\n')
        self.assertEqual([reason for _test, reason in result.skipped], ["a drawing"])
        self.assertEqual((result.failures, result.errors), ([], []))

    def test_output_of_newer_versions(self):
        for version, reasons in (("3.11", []), ("3.99", ["was run; its output is that of CPython 3.99 and newer"])):
            for block in ("```console\n$ echo one\none\n```\n", "```python\nprint(1)\n```\n\n```text\n1\n```\n"):
                result = self.run_page(f"<!--- output from: {version} -->\n\n{block}")
                self.assertEqual([reason for _test, reason in result.skipped], reasons)
                self.assertEqual((result.failures, result.errors), ([], []))
        self.check_fault("<!--- output from: 3.99 -->\n\n```python\nfail\n```\n", "NameError")
        self.check_fault("<!--- output from: 3.11 -->\n\n```console\n$ echo one\ntwo\n```\n", "another one")

    def test_console(self):
        self.check_right("```console\n$ echo one; echo two >&2\none\ntwo\n$ false\n[1]\n$ x=3\n$ echo $x\n3\n```\n")
        self.check_fault("```console\n$ echo one\ntwo\n```\n", "another one")
        self.check_fault("```console\n$ false\n```\n", "[1]")
        self.check_fault("```console\n$ echo one\n```\n", "another one")
        self.check_fault("```console\n$ exit 0\n$ echo\n```\n", "ended at 'exit 0'")

    def test_sh(self):
        self.check_right("```sh\ntrue\n```\n")
        self.check_fault("```sh\nfalse\ntrue\n```\n", "exit status 1")

    def test_python(self):
        self.check_right("```python\nimport os\nn = 2\n```\n\n```python\nprint(n)\n```\n\n```text\n2\n```\n")
        self.check_fault("```python\nprint(1)\n```\n", "does not show what this prints")
        self.check_fault("```python\nprint(1)\n```\n\n```text\n2\n```\n", "another one")
        self.check_fault("```python\nundefined\n```\n", "NameError")

    def test_numbers(self):
        page = "<!--- numbers: 10% -->\n\n```console\n$ echo size {}\nsize 100\n```\n"
        self.check_right(page.format(105))
        self.check_fault(page.format(120), "another one")

    def test_file(self):
        self.check_right("<!--- file: a.txt -->\n\n```text\nhello\n```\n\n```console\n$ cat a.txt\nhello\n```\n")

    def test_c(self):
        program = '#include <stdio.h>\nint n = 2;\nprintf("%d\\n", n);\n'
        self.check_right(f'```c\n{program}```\n\n```text\n2\n```\n\n```c\nprintf("%d\\n", n + 1);\n```\n\n```text\n3\n```\n')
        self.check_fault("```c\nint unused;\n```\n", "does not compile without a warning")

    def test_update(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "page.md")
            path.write_text(
                "```console\n$ seq 2\n$ echo a\nb\n```\n\n```python\nprint(1)\n```\n\n```text\n  2\n```\n",
                encoding="utf-8",
            )
            for name, value in (("wanted", True), ("changes", [])):
                self.addCleanup(setattr, blocks.Refresh, name, getattr(blocks.Refresh, name))
                setattr(blocks.Refresh, name, value)
            page_suite(make_sybil(), path).run(unittest.TestResult())
            blocks.Refresh.write()
            self.assertEqual(
                path.read_text(encoding="utf-8"),
                "```console\n$ seq 2\n1\n2\n$ echo a\na\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n",
            )


if __name__ == "__main__":
    unittest.main()
