"""Snapshot.__arrow_c_stream__: read by ctypes alone, and by pyarrow, polars, DuckDB and pandas where there is a wheel."""

import collections
import ctypes
import gc
import importlib
import os
import random
import threading
import unittest

import arrow_support as arrow
import ctracemalloc as m
from types_support import Case, random_traces

COLUMNS = [
    "domain",
    "block_size",
    "count",
    "size",
    "filename",
    "lineno",
    "function",
    "traceback",
    "total_nframe",
    "labels",
    "allocated",
    "freed",
    "at_peak",
    "weight",
]


def traced_snapshot(nframe=5, **options):
    """A snapshot of some live blocks, some freed ones, and functions of several files."""
    m.start(nframe, **options)
    try:
        kept = [bytes(1000 + i % 7) for i in range(500)]
        kept.append({i: str(i) for i in range(100)})
        kept.append(collections.OrderedDict((i, [i]) for i in range(50)))
        del kept[:100]
        return m.take_snapshot()
    finally:
        m.stop()


def frames_of(traceback):
    return tuple((frame.filename, frame.lineno, frame.name) for frame in traceback)


def valid_text(text):
    """A name as Arrow stores it: text without surrogates."""
    return None if text is None else "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


def expected(snapshot):
    """The live blocks by site, as the Python API returns them: {(domain, size, frames, total): blocks}."""
    sites = collections.Counter()
    for trace in snapshot.traces:
        frames = tuple((valid_text(file), line, valid_text(name)) for file, line, name in frames_of(trace.traceback))
        sites[trace.domain, trace.size, frames, trace.traceback.total_nframe] += 1
    return sites


def as_sites(rows):
    """The same from Arrow's rows. Two rows may have one key."""
    sites = collections.Counter()
    for row in rows:
        frames = tuple((frame["filename"], frame["lineno"], frame["function"]) for frame in row["traceback"])
        if row["count"]:
            sites[row["domain"], row["block_size"], frames, row["total_nframe"]] += row["count"]
    return sites


class TestStream(Case):
    def check_rows(self, snapshot, rows):
        self.assertEqual(as_sites(rows), expected(snapshot))
        for row in rows:
            self.assertEqual(list(row), COLUMNS)
            if row["allocated"] is None:  # a snapshot made of traces knows no freed blocks
                self.assertIsNone(row["freed"])
            else:
                self.assertEqual(row["count"], row["allocated"] - row["freed"])
            self.assertEqual(row["size"], row["count"] * row["block_size"])
            last = row["traceback"][-1] if row["traceback"] else dict.fromkeys(("filename", "lineno", "function"))
            self.assertEqual(
                (row["filename"], row["lineno"], row["function"]), (last["filename"], last["lineno"], last["function"])
            )

    def test_schema(self):
        names = ("i", False, "u", []), ("i", True, "u", [])
        frame = [("filename", *names[0]), ("lineno", "i", False, None, []), ("function", *names[1])]
        pair = [("key", "u", False, None, []), ("value", "u", False, None, [])]
        number = ("l", False, None, [])
        schema, _ = arrow.read(traced_snapshot())
        self.assertEqual(
            schema,
            (
                "",
                "+s",
                False,
                None,
                [
                    ("domain", "I", False, None, []),
                    ("block_size", *number),
                    ("count", *number),
                    ("size", *number),
                    ("filename", *names[1]),
                    ("lineno", "i", True, None, []),
                    ("function", *names[1]),
                    ("traceback", "+l", False, None, [("item", "+s", False, None, frame)]),
                    ("total_nframe", "i", False, None, []),
                    ("labels", "+m", False, None, [("entries", "+s", False, None, pair)]),
                    ("allocated", "l", True, None, []),
                    ("freed", "l", True, None, []),
                    ("at_peak", "l", True, None, []),
                    ("weight", "g", False, None, []),
                ],
            ),
        )

    def test_traced(self):
        for nframe in (1, 2, 25):
            snapshot = traced_snapshot(nframe)
            rows = arrow.read_rows(snapshot)
            self.check_rows(snapshot, rows)
            self.assertTrue(any(row["freed"] for row in rows))
            self.assertTrue(any(row["function"] for row in rows))
            self.assertEqual({row["weight"] for row in rows}, {1.0})

    def test_random(self):
        rng = random.Random(7)
        for count in (0, 1, 5, 300):
            raw = random_traces(rng, count)
            for snapshot in (m.Snapshot(raw, 5), m.Snapshot(tuple(raw), 5), self.to_core(raw)):
                self.check_rows(snapshot, arrow.read_rows(snapshot))

    def test_filtered_and_loaded(self):
        snapshot = traced_snapshot()
        snapshot.dump(self.path)
        self.check_rows(snapshot, arrow.read_rows(m.Snapshot.load(self.path)))
        filtered = snapshot.filter_traces([m.Filter(True, __file__)])
        self.assertGreater(len(filtered.traces), 0)
        self.check_rows(filtered, arrow.read_rows(filtered))

    def test_without_frames(self):
        snapshot = m.Snapshot([(0, 5, (), 0), (3, 6, (), 0)], 1)
        rows = arrow.read_rows(snapshot)
        self.check_rows(snapshot, rows)
        self.assertEqual([row["traceback"] for row in rows], [[], []])

    def test_what_is_not_known_is_null(self):
        for snapshot, known in ((m.Snapshot([(0, 5, (("a", 1),), 1)], 1), False), (traced_snapshot(), True)):
            for row in arrow.read_rows(snapshot):
                for column in ("allocated", "freed", "at_peak"):
                    self.assertEqual(row[column] is not None, known, column)

    def test_surrogates(self):
        snapshot = m.Snapshot([(0, 1, (("a\ud800b\udfff.py", 1), ("\udc80", 2)), 2)], 5)
        (row,) = arrow.read_rows(snapshot)
        self.assertEqual([f["filename"] for f in row["traceback"]], ["\ufffd", "a\ufffdb\ufffd.py"])

    def test_sample(self):
        snapshot = traced_snapshot(sample_interval=2000)
        rows = arrow.read_rows(snapshot)
        self.check_rows(snapshot, rows)
        self.assertTrue(all(row["weight"] > 1 for row in rows))
        by_file = collections.Counter()
        for row in rows:
            by_file[row["filename"]] += row["size"] * row["weight"]
        for statistic in snapshot.statistics("filename"):
            self.assertAlmostEqual(by_file[statistic.traceback[0].filename], statistic.size, delta=len(rows))

    def test_batches(self):
        # Many rows, then rows with many frames: what does not fit one batch continues in the next.
        rows = [(0, i, (("a.py", i % 50),), 1) for i in range(150_000)]
        _, batches = arrow.read(m.Snapshot(rows, 1))
        self.assertEqual([len(batch) for batch in batches], [65536, 65536, 150_000 - 2 * 65536])
        self.assertEqual([row["block_size"] for batch in batches for row in batch], list(range(150_000)))
        deep = tuple(("f.py", i) for i in range(60_000))
        snapshot = m.Snapshot([(0, i, deep, 60_000) for i in range(20)], 1)
        _, batches = arrow.read(snapshot)
        self.assertEqual([len(batch) for batch in batches], [17, 3])
        self.assertEqual(batches[1][2]["traceback"][0]["lineno"], 59_999)

    def test_requested_schema_is_a_wish(self):
        snapshot = m.Snapshot([(0, 5, (("a", 1),), 1)], 1)
        snapshot.__arrow_c_stream__(None)
        snapshot.__arrow_c_stream__(requested_schema=None)
        self.assertRaises(TypeError, snapshot.__arrow_c_stream__, 1, 2)
        self.assertRaises(TypeError, snapshot.__arrow_c_stream__, other=1)

    def test_bad_traces(self):
        with self.assertRaisesRegex(TypeError, "cannot convert trace 1: "):
            m.Snapshot([(0, 5, (("a", 1),), 1), 5], 1).__arrow_c_stream__()
        with self.assertRaises(TypeError):
            m.Snapshot(5, 1).__arrow_c_stream__()


class TestLifetime(Case):
    def setUp(self):
        super().setUp()
        self.snapshot = traced_snapshot()

    def next_array(self, stream):
        array = arrow.ArrowArray()
        self.assertEqual(stream.get_next(ctypes.byref(stream), ctypes.byref(array)), 0)
        return array

    def get_schema(self, stream):
        schema = arrow.ArrowSchema()
        self.assertEqual(stream.get_schema(ctypes.byref(stream), ctypes.byref(schema)), 0)
        return schema

    def test_stream_outlives_snapshot(self):
        wanted = expected(self.snapshot)
        stream = arrow.open_stream(self.snapshot)
        self.snapshot = None
        gc.collect()
        schema, array = self.get_schema(stream), self.next_array(stream)
        stream.release(ctypes.byref(stream))
        self.assertEqual(as_sites(arrow.values(schema, array)), wanted)
        array.release(ctypes.byref(array))
        schema.release(ctypes.byref(schema))

    def test_children_move_out(self):
        stream = arrow.open_stream(self.snapshot)
        schema, array = self.get_schema(stream), self.next_array(stream)
        wanted = [row["filename"] for row in arrow.read_rows(self.snapshot)]
        index = COLUMNS.index("filename")
        child, child_schema = arrow.ArrowArray(), arrow.ArrowSchema()
        arrow.move(array.children[index][0], child)
        arrow.move(schema.children[index][0], child_schema)
        for thing in (array, schema, stream):
            thing.release(ctypes.byref(thing))
        self.assertEqual(arrow.values(child_schema, child), wanted)
        # A dictionary can be exported alone as well.
        names, names_schema = arrow.ArrowArray(), arrow.ArrowSchema()
        arrow.move(child.dictionary[0], names)
        arrow.move(child_schema.dictionary[0], names_schema)
        for thing in (child, child_schema):
            thing.release(ctypes.byref(thing))
        self.assertLessEqual(set(wanted), {*arrow.values(names_schema, names), None})
        for thing in (names, names_schema):
            thing.release(ctypes.byref(thing))

    def test_release_on_other_threads(self):
        streams = [arrow.open_stream(self.snapshot) for _ in range(8)]
        arrays = [self.next_array(stream) for stream in streams]
        self.snapshot = None
        # Calls of ctypes.CDLL functions and function pointers release the GIL.
        things = [*streams, *arrays]
        threads = [threading.Thread(target=thing.release, args=(ctypes.byref(thing),)) for thing in things]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertFalse(any(thing.release for thing in things))

    def test_nothing_leaks(self):
        class Mallinfo(ctypes.Structure):
            _fields_ = [
                (name, ctypes.c_size_t)
                for name in (
                    "arena",
                    "ordblks",
                    "smblks",
                    "hblks",
                    "hblkhd",
                    "usmblks",
                    "fsmblks",
                    "uordblks",
                    "fordblks",
                    "keepcost",
                )
            ]

        mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
        if mallinfo is None:
            self.skipTest("this C library has no mallinfo2")
        mallinfo.restype = Mallinfo

        def used():
            gc.collect()
            info = mallinfo()
            return info.uordblks + info.hblkhd

        def dropped():
            self.snapshot.__arrow_c_stream__()

        def unread():
            stream = arrow.open_stream(self.snapshot)
            stream.release(ctypes.byref(stream))

        def read():
            arrow.read(self.snapshot)

        def failed():
            self.assertRaises(TypeError, m.Snapshot([5], 1).__arrow_c_stream__)

        for function in (dropped, unread, read, failed):
            size = len(arrow.read_rows(self.snapshot)) * 100
            for _ in range(6):  # the interpreter's own caches grow at first
                before = used()
                for _ in range(20):
                    function()
                grown = used() - before
                if grown < 5 * size:
                    break
            else:
                self.fail(f"{function.__name__}: {grown} bytes in 20 rounds")


class Consumer(Case):
    """The rows that a library reads are those of the plain consumer, in every value."""

    needs: tuple = ()

    def setUp(self):
        super().setUp()
        self.modules = {}
        for name in self.needs:
            try:
                self.modules[name] = importlib.import_module(name)
            except ImportError as error:
                self.skipTest(f"no {name} here: {error}")
        self.pa = self.modules.get("pyarrow")
        rng = random.Random(11)
        self.snapshots = [
            traced_snapshot(),
            traced_snapshot(1, sample_interval=500),
            self.to_core([]),
            self.to_core(random_traces(rng, 200)),
            m.Snapshot(random_traces(rng, 50), 5),
        ]

    def check(self, read):
        for snapshot in self.snapshots:
            rows = read(snapshot)
            for row in rows:
                row["labels"] = dict(row["labels"])
            wanted = arrow.read_rows(snapshot)
            for row in wanted:
                row["labels"] = dict(row["labels"])
            self.assertEqual(rows, wanted)
            self.assertEqual(as_sites(rows), expected(snapshot))


class TestPyarrow(Consumer):
    needs = ("pyarrow",)

    def test_table(self):
        def read(snapshot):
            table = self.pa.table(snapshot)
            table.validate(full=True)
            return table.to_pylist()

        self.check(read)

    def test_stream(self):
        def read(snapshot):
            if not hasattr(self.pa.RecordBatchReader, "from_stream"):
                self.skipTest("this pyarrow has no RecordBatchReader.from_stream (15)")
            reader = self.pa.RecordBatchReader.from_stream(snapshot)
            return [row for batch in reader for row in batch.to_pylist()]

        self.check(read)

    def test_parquet(self):
        import pyarrow.parquet as parquet

        def read(snapshot):
            path = os.path.join(self.folder, "snapshot.parquet")
            parquet.write_table(self.pa.table(snapshot), path)
            return parquet.read_table(path).to_pylist()

        self.check(read)

    def test_table_outlives_snapshot(self):
        snapshot = traced_snapshot()
        wanted = expected(snapshot)
        table = self.pa.table(snapshot)
        del snapshot
        gc.collect()
        self.assertEqual(as_sites(table.to_pylist()), wanted)


class TestPolars(Consumer):
    needs = ("polars",)

    def test_frame(self):
        def read(snapshot):
            rows = self.modules["polars"].DataFrame(snapshot).to_dicts()
            for row in rows:
                if isinstance(row["labels"], list):  # polars before 2 shows a map as a list of structs
                    row["labels"] = [(pair["key"], pair["value"]) for pair in row["labels"]]
            return rows

        self.check(read)


class TestPandas(Consumer):
    needs = ("pandas", "pyarrow")

    def test_frame(self):
        pandas = self.modules["pandas"]

        def read(snapshot):
            frame = self.pa.table(snapshot).to_pandas(integer_object_nulls=True)
            rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
            for row in rows:
                row["traceback"] = [dict(each) for each in row["traceback"]]
            return rows

        self.check(read)
        if hasattr(pandas.DataFrame, "from_arrow"):
            frame = pandas.DataFrame.from_arrow(self.snapshots[0])
            self.assertEqual(list(frame.columns), COLUMNS)
            self.assertEqual(frame["size"].sum(), sum(trace.size for trace in self.snapshots[0].traces))


class TestDuckDB(Consumer):
    needs = ("duckdb",)

    def test_query(self):
        duckdb = self.modules["duckdb"]
        with duckdb.connect() as connection:
            connection.execute("SET threads TO 2")

            def read(snapshot):
                cursor = connection.sql("SELECT * FROM snapshot")
                return [dict(zip(COLUMNS, row)) for row in cursor.fetchall()]

            self.check(read)
            snapshot = self.snapshots[0]
            found = connection.sql(
                "SELECT filename, lineno, sum(size), sum(count) FROM snapshot WHERE count > 0 GROUP BY ALL"
            ).fetchall()
        self.assertEqual(
            sorted(found),
            sorted((s.traceback[0].filename, s.traceback[0].lineno, s.size, s.count) for s in snapshot.statistics("lineno")),
        )


if __name__ == "__main__":
    unittest.main()
