"""The tables of docs/formats: their rows leave out no byte, and their fields are those of src/libctm/tables/schema.h.

Model: a table with offsets is (offset, bytes, field) for each row; each row begins where the one before it ends, the last ends
where ENDS says. A field of schema.h is (words of the page, u32 or i32 or u64), in the order of the row.
"""

import re
import unittest
from math import prod
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMES = "\N{MULTIPLICATION SIGN}"
FORMATS = ROOT / "docs" / "formats"
ENDS = {  # where the last row of a table ends; None: it goes on
    ("black-box", "Control block"): 16208 + 32 * 512,
    ("recording", "Header"): 64,
    ("recording", "Blocks"): None,
    ("snapshot", "Header"): 64,
    ("snapshot", "Directory"): 40,
    ("snapshot", "info"): 80,
    ("snapshot", "sites"): 48,
    ("snapshot", "losses"): 512,
}
WORDS = {"filename": "file name", "first_lineno": "first line", "lineno": "line", "total_nframe": "total frames"}
WORDS |= {"labels": "label set", "at_peak": "blocks at the peak"}
SITE_TYPES = {"labels": "u32", "traceback": "u32", "domain": "u32", "reserved": "u32"}  # the others are u64


def sections(page):
    """{heading: text}"""
    text = (FORMATS / f"{page}.md").read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.*)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def bytes_of(cell):
    """u32: 4; `7 x 4` and `32 bytes`: what they say; an empty cell: None."""
    bits = re.fullmatch("[ui](16|32|64)", cell)
    if bits:
        return int(bits[1]) // 8
    numbers = re.fullmatch(rf"(\d+(?: {TIMES} \d+)*)(?: bytes)?", cell)
    return prod(map(int, numbers[1].split(f" {TIMES} "))) if numbers else None


def rows_with_offsets(text):
    return [(int(offset), size, what) for offset, size, what in re.findall(r"^\| (\d+) \| ([^|]*?) ?\| (.*?) \|", text, re.M)]


def tables_with_offsets():
    for path in sorted(FORMATS.glob("*.md")):
        for heading, text in sections(path.stem).items():
            table = re.search(r"^\| offset \|(?:.+\n)+", text, re.M)
            if table:
                yield path.stem, heading, rows_with_offsets(table.group())


def schema():
    """{table: [(words, type)]}"""
    text = (ROOT / "src" / "libctm" / "tables" / "schema.h").read_text(encoding="utf-8")
    found = {}
    for table, body in re.findall(r"^#define CTMI_([A-Z]+)_FIELDS\(.*((?:\\\n[^\\\n]*)+)", text, re.M):
        fields = re.findall(r"(?:REFERENCE|FIELD)\(\w+, (\w+), (\w+)", body)
        found[table] = [(WORDS.get(name, name).replace("_", " "), type_of(table, name, holds)) for name, holds in fields]
    return found


def type_of(table, name, holds):
    if table == "SITES":
        return SITE_TYPES.get(name, "u64")
    return "i32" if holds == "SIGNED" else "u32"


class OffsetTest(unittest.TestCase):
    def test_no_row_is_missing(self):
        found = {}
        for page, heading, rows in tables_with_offsets():
            with self.subTest(f"{page}, {heading}"):
                at = 0
                for offset, size, what in rows:
                    self.assertEqual(offset, at, what)
                    at = bytes_of(size) and offset + bytes_of(size)
                found[page, heading] = at
        self.assertEqual(found, ENDS)


class FieldTest(unittest.TestCase):
    """A row of the black box has some fields more, which only the tracer needs."""

    def test_schema_is_read(self):
        self.assertEqual([len(fields) for fields in schema().values()], [3, 2, 3, 3, 8])

    def test_snapshot(self):
        self.assertEqual(
            [(what, size) for _, size, what in rows_with_offsets(sections("snapshot")["sites"])], schema()["SITES"]
        )
        rows = sections("snapshot")["Functions, frames, tracebacks"]
        texts = {
            name.upper(): re.search(rf"^\*\*{name}\*\*: (.*)$", rows, re.M)[1] for name in ("functions", "frames", "tracebacks")
        }
        texts["LABELS"] = re.search(r"^A row is (.*)$", sections("snapshot")["label sets"], re.M)[1]
        for table, text in texts.items():
            with self.subTest(table):
                self.assertEqual(re.findall(r"`([ui]\d+)`", text), [kind for _words, kind in schema()[table]])

    def test_black_box(self):
        rows = dict(re.findall(r"^\| ([a-z ]+) \| (u\d+ .*) \|$", sections("black-box")["Tables"], re.M))
        tables = {"function": "FUNCTIONS", "frame": "FRAMES", "traceback": "TRACEBACKS", "label set": "LABELS", "site": "SITES"}
        self.assertEqual(set(rows), {"string", *tables})
        for name, table in tables.items():
            with self.subTest(name):
                shown = re.findall(r"\b([ui]\d\d) ([a-z ]+?) ?(?=[(,;]|$)", rows[name])
                others = {"reserved": "stamp", "blocks at the peak": "at the peak"}
                expected = [(kind, others.get(words, words)) for words, kind in schema()[table]]
                self.assertEqual(shown[: len(expected)], expected)

    def test_recording(self):
        rows = dict(re.findall(r"^\| ([a-z ]+) \| (.*) \|$", sections("recording")["Blocks"], re.M))
        numbers = {"functions": 3, "frames": 2, "tracebacks": 3, "label sets": 3, "sites": 4}
        for name, number in numbers.items():
            with self.subTest(name):
                self.assertEqual(len(re.sub(r"\(.*?\)", "", rows[name]).split(", ")), number)


if __name__ == "__main__":
    unittest.main()
