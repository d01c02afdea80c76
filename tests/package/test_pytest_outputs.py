"""The pytest plugin's files: JSON in three forms, a page, properties in JUnit's XML, and snapshots of failed tests."""

import html.parser
import importlib.util
import json
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import ctracemalloc
from cli_support import skip_some_pythons
from ctracemalloc.pytest_plugin import snapshots
from ctracemalloc.render.html.document import page
from ctracemalloc.render.text.units import format_bytes, format_change
from pytest_support import PytestCase


def setUpModule():
    skip_some_pythons()


SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "reference" / "pytest.schema.json"
SOURCE = """
import pytest

KEPT = []

@pytest.fixture
def data():
    return bytearray(30_000)

def test_passes(data):
    KEPT.append(bytearray(20_000))

def test_fails():
    big = bytearray(1_000_000)
    assert not big

def test_skips():
    pytest.skip("why not")

@pytest.mark.limit_memory("1 KB")
def test_limit():
    bytearray(2000)

@pytest.fixture
def broken():
    assert 0

def test_error(broken):
    pass
"""


class JsonTests(PytestCase):
    def run_to(self, name, *options):
        self.run_pytest(SOURCE, f"--ctracemalloc-json={name}", *options)
        return json.loads((self.pytester.path / name).read_text(encoding="ascii"))

    def test_own(self):
        document = self.run_to("out.json")
        tests = {test["id"].partition("::")[2]: test for test in document["tests"]}
        outcomes = {"test_passes": "passed", "test_fails": "failed", "test_skips": "skipped", "test_limit": "failed"}
        self.assertEqual({name: test["outcome"] for name, test in tests.items()}, {**outcomes, "test_error": "failed"})
        call = tests["test_passes"]["call"]
        self.assertAlmostEqual(call["growth"], 20_000, delta=300)
        self.assertIn(call["blocks"], (2, 3))
        self.assertEqual([line["lineno"] for line in call["growth_lines"]], [10])
        self.assertEqual([one["name"] for one in tests["test_passes"]["setup"]["fixtures"]], ["data"])
        self.assertIsNone(tests["test_error"]["call"])

    @unittest.skipIf(importlib.util.find_spec("jsonschema") is None, "needs jsonschema")
    def test_own_is_as_its_schema_says(self):
        import jsonschema

        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(self.run_to("out.json"))

    def test_benchmark_action(self):
        """github-action-benchmark: an array of objects with name, unit and value."""
        document = self.run_to("out.json", "--ctracemalloc-json-form=benchmark-action")
        names = [f"test_it.py::test_{name} ({figure})" for name in ("passes", "limit") for figure in ("peak", "growth")]
        self.assertEqual([one["name"] for one in document], names)
        self.assertEqual({frozenset(one) for one in document}, {frozenset(("name", "unit", "value"))})
        self.assertTrue(all(one["unit"] == "bytes" and isinstance(one["value"], int) for one in document))

    def test_bencher(self):
        """Bencher Metric Format: benchmarks, of each the measures, of each a value."""
        document = self.run_to("out.json", "--ctracemalloc-json-form=bencher")
        self.assertEqual(list(document), ["test_it.py::test_passes", "test_it.py::test_limit"])
        for measures in document.values():
            self.assertEqual(list(measures), ["memory-peak", "memory-growth"])
            self.assertTrue(all(isinstance(measure["value"], int) for measure in measures.values()))

    def test_only_a_file_of_its_form_is_replaced(self):
        self.run_to("out.json")
        self.run_to("out.json")
        path = self.pytester.path / "out.json"
        before = path.read_bytes()
        result = self.run_pytest(SOURCE, "--ctracemalloc-json=out.json", "--ctracemalloc-json-form=bencher")
        self.assertIn(
            "ERROR: cannot write to out.json: it exists and is not a JSON file of the form bencher", result.stderr.str()
        )
        self.assertEqual(path.read_bytes(), before)
        result = self.run_pytest(SOURCE, "--ctracemalloc-json=test_it.py")
        self.assertIn("ERROR: cannot write to test_it.py: it exists", result.stderr.str())

    def test_a_file_that_cannot_be_written_in_the_end(self):
        """The reports of the tests are there all the same."""
        result = self.run_pytest("def test_it(): assert 1 == 2", "--ctracemalloc", "--ctracemalloc-json=/dev/full")
        result.assert_outcomes(failed=1)
        self.assertRegex(result.stdout.str(), r"\nctracemalloc: not written: .*/dev/full")
        self.section(result, "ctracemalloc: memory of the tests")
        result = self.run_pytest("def test_it(): pass", "--ctracemalloc-json=/dev/full")
        result.assert_outcomes(passed=1)
        self.assertEqual(result.ret, 1)

    def test_nothing_is_printed(self):
        result = self.run_pytest(SOURCE, "--ctracemalloc-json=out.json")
        self.assertNotIn("memory of the tests", result.stdout.str())


class TableReader(html.parser.HTMLParser):
    """The rows of the page's table as lists of texts, and whatever the page loads."""

    def __init__(self):
        super().__init__()
        self.rows, self.loaded, self.meta = [], [], {}

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.loaded += [attributes[name] for name in ("src", "href") if name in attributes]
        self.meta[attributes.get("name")] = attributes.get("content")
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


class PageTests(PytestCase):
    def run_to(self, name, *options, source=SOURCE):
        result = self.run_pytest(source, f"--ctracemalloc-html={name}", *options)
        self.assertNotIn("memory of the tests", result.stdout.str())
        reader = TableReader()
        reader.feed((self.pytester.path / name).read_text(encoding="ascii"))
        return reader

    def test_has_all_tests(self):
        reader = self.run_to("out.html", "--ctracemalloc-json=out.json", "--ctracemalloc-snapshots=snapshots")
        rows = {row[0].split("::")[1]: row[1:] for row in reader.rows if row[0].startswith("test_it.py::")}
        self.assertEqual(
            set(rows), {"test_passes", "test_fails failed", "test_skips skipped", "test_limit failed", "test_error failed"}
        )
        document = json.loads((self.pytester.path / "out.json").read_text(encoding="ascii"))
        (test,) = (test for test in document["tests"] if test["id"] == "test_it.py::test_passes")
        call, setup = test["call"], test["setup"]
        expected = [format_bytes(call["peak"]), format_bytes(call["growth"]), str(call["blocks"])]
        self.assertEqual(rows["test_passes"][:5], [*expected, format_bytes(setup["peak"]), format_bytes(setup["growth"])])
        self.assertEqual(rows["test_error failed"][:3], ["", "", ""])
        details = {before[0].split("::")[1]: row[0] for before, row in zip(reader.rows, reader.rows[1:]) if len(row) == 1}
        self.assertIn("test_it.py:10 in test_passesKEPT.append(bytearray(20_000))", details["test_passes"])
        kept = format_change(setup["fixtures"][0]["growth"])
        self.assertIn(f"data (function): {kept}", details["test_passes"])
        self.assertIn("limit_memoryWhat was live at the peak", details["test_limit failed"])
        self.assertIn("snapshots/test_it.py-test_fails.ctm", details["test_fails failed"])
        self.assertEqual(reader.loaded, [])

    def test_names_are_data(self):
        source = """
import pytest

@pytest.mark.parametrize("name", ["</td></table><script>", "&lt;", "\\ud83d", "\\u202e"], ids=lambda name: name)
def test_it(name):
    bytearray(5000)
"""
        reader = self.run_to("out.html", source=source)
        names = {row[0].removeprefix("test_it.py::") for row in reader.rows if len(row) > 1}
        self.assertLessEqual({"test_it[</td></table><script>]", "test_it[&lt;]"}, names)
        self.assertTrue(all(name.isprintable() for name in names), names)
        self.assertEqual(reader.loaded, [])

    def test_only_a_page_of_its_kind_is_replaced(self):
        self.run_to("out.html")
        self.run_to("out.html")
        path = self.pytester.path / "other.html"
        path.write_text(page("title", [], ["table"], created=0.0))
        before = path.read_bytes()
        result = self.run_pytest(SOURCE, "--ctracemalloc-html=other.html")
        self.assertRegex(result.stderr.str(), "ERROR: cannot write to .*/other.html: it exists and is not a page of a test run")
        self.assertEqual(path.read_bytes(), before)
        result = self.run_pytest(SOURCE, "--ctracemalloc-html=new", "--ctracemalloc-json=new")
        self.assertIn("the JSON goes there as well", result.stderr.str())

    @unittest.skipIf(importlib.util.find_spec("xdist") is None, "needs pytest-xdist")
    def test_one_page_of_all_workers(self):
        reader = self.run_to("out.html", "-n2")
        rows = [row[0].split("::")[1] for row in reader.rows if row[0].startswith("test_it.py::")]
        self.assertEqual(len(rows), 5)
        self.assertTrue(any("limit_memoryWhat was live at the peak" in row[0] for row in reader.rows if len(row) == 1))


class JunitTests(PytestCase):
    def test_properties(self):
        self.run_pytest(SOURCE, "--ctracemalloc", "--junit-xml=out.xml")
        cases = ElementTree.parse(self.pytester.path / "out.xml").getroot().iter("testcase")
        found = {case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases}
        self.assertEqual(set(found["test_passes"]), {"ctracemalloc_peak", "ctracemalloc_growth"})
        self.assertAlmostEqual(int(found["test_passes"]["ctracemalloc_growth"]), 20_000, delta=1000)
        self.assertEqual(found["test_error"], {})


class SnapshotTests(PytestCase):
    def test_of_failed_tests(self):
        result = self.run_pytest(SOURCE, "--ctracemalloc-snapshots=new/folder")
        folder = self.pytester.path / "new" / "folder"
        paths = sorted(folder.iterdir())
        self.assertEqual([path.name for path in paths], ["test_it.py-test_fails.ctm", "test_it.py-test_limit.ctm"])
        self.assertIn("new/folder/test_it.py-test_fails.ctm", self.section(result, "ctracemalloc: snapshot"))
        snapshot = ctracemalloc.Snapshot.load(str(paths[0]))
        largest = snapshot.statistics("lineno")[0].traceback[-1]
        self.assertEqual((Path(largest.filename).name, largest.lineno), ("test_it.py", 13))
        self.assertIsNotNone(snapshot.at_peak)

    def test_what_cannot_be_written_is_said(self):
        (self.pytester.path / "taken").write_text("")
        result = self.run_pytest(SOURCE, "--ctracemalloc-snapshots=taken")
        self.assertIn("ERROR: ", result.stderr.str())
        self.assertIn("taken", result.stderr.str())
        folder = self.pytester.path / "folder"
        folder.mkdir()
        (folder / "test_it.py-test_fails.ctm").write_text("mine")
        result = self.run_pytest(SOURCE, "--ctracemalloc-snapshots=folder")
        said = self.section(result, "ctracemalloc: snapshot")[0]
        self.assertRegex(said, "^could not be written: cannot write to folder/test_it.py-test_fails.ctm: it exists")
        self.assertEqual((folder / "test_it.py-test_fails.ctm").read_text(), "mine")

    def test_names(self):
        for test in ("a/b.py::C::test[x/../y]", "a.py::test[\udc80]", "a.py::test[" + "ä" * 300 + "]"):
            path = snapshots.path_of("folder", test)
            folder, _slash, name = path.rpartition("/")
            self.assertEqual(folder, "folder")
            self.assertLess(len(name.encode()), 240)
        self.assertNotEqual(snapshots.path_of("", "t" * 300 + "1"), snapshots.path_of("", "t" * 300 + "2"))


if __name__ == "__main__":
    unittest.main()
