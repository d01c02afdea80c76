"""pprof profiles, decoded by the npm package pprof-format: every field of them, which Go's tool prints in part only.

Model: what is decoded is added up here by stacks, by labels and by block sizes, and compared with what the API knows of them.
"""

import functools
import json
import unittest

import ctracemalloc
from cli_support import skip_most_pythons
from ctracemalloc.export.pprof import pprof_of
from export_support import ROOT, ExportTest, node, npm_modules, run, traced_program

AMOUNTS = {
    ("alloc_objects", "count"): "allocated_count",
    ("alloc_space", "bytes"): "allocated_size",
    ("inuse_objects", "count"): "count",
    ("inuse_space", "bytes"): "size",
    ("peak_objects", "count"): "peak_count",
    ("peak_space", "bytes"): "peak_size",
}
LIVE_ONLY = [("inuse_objects", "count"), ("inuse_space", "bytes")]
DOMAIN = 389047  # numpy's
PLAIN = [(0, 8, (), 0), (0, 5, (("a.py", 1),), 1), (DOMAIN, 70, (("a.py", 1),), 1)]  # raw traces
THREADS = ("worker 1", "wörker 2")


def setUpModule():
    skip_most_pythons()


def snapshots():
    """{name: (snapshot, options of pprof_of)}"""
    snapshot = ctracemalloc.Snapshot.load(str(traced_program()[0]))
    threads = iter(THREADS)
    merged = ctracemalloc.Snapshot.merge([snapshot, snapshot], labels=lambda _: {"thread": next(threads)})
    sampled = ctracemalloc.Snapshot.load(str(traced_program(interval=4096)[0]))
    return {
        "program": (snapshot, {"comments": ["lost: 3 blocks", "ü"]}),
        "threads": (merged, {}),
        "plain": (ctracemalloc.Snapshot(PLAIN, 1), {"run": {"command": ["/srv/app.py", "-x"]}}),
        "sample": (sampled, {}),
    }


@functools.cache
def decoded():
    """{name: (snapshot, its profile)}"""
    folder = traced_program()[0].parent
    known = snapshots()
    paths = [folder / f"{name}.pb.gz" for name in known]
    for path, (snapshot, options) in zip(paths, known.values(), strict=True):
        path.write_bytes(pprof_of(snapshot, **options))
    found = json.loads(run([node(), ROOT / "tests" / "readers" / "read_pprof.mjs", npm_modules(), *paths]))
    return {name: (snapshot, profile) for (name, (snapshot, _)), profile in zip(known.items(), found, strict=True)}


def add(sums, key, values):
    sums[key] = [a + b for a, b in zip(sums.get(key, [0] * len(values)), values, strict=True)]


def stacks_in(profile):
    """{frames, the oldest first: values}"""
    found = {}
    for sample in profile["samples"]:
        add(found, tuple((name, file, line) for name, file, line, *_ in reversed(sample["stack"])), sample["values"])
    return found


def stacks_known(snapshot, types):
    found = {}
    sort = "allocated" if len(types) == len(AMOUNTS) else "size"  # all that was ever allocated, or all that is live
    for statistic in snapshot.statistics("traceback", sort=sort):
        frames = tuple((frame.name or frame.filename, frame.filename, frame.lineno) for frame in statistic.traceback)
        add(found, frames or (("<unknown>", "<unknown>", 0),), [getattr(statistic, AMOUNTS[kind]) for kind in types])
    return {stack: values for stack, values in found.items() if any(values)}


class PprofFormatTest(ExportTest):
    def test_types_and_facts(self):
        for name, (snapshot, profile) in decoded().items():
            with self.subTest(name):
                types = [tuple(pair) for pair in profile["types"]]
                self.assertEqual(types, LIVE_ONLY if name == "plain" else list(AMOUNTS))
                self.assertEqual(profile["default_type"], "inuse_space")
                self.assertEqual(profile["period_type"], ["space", "bytes"])
                self.assertEqual(profile["period"], snapshot.sample_interval or 1)
        self.assertEqual(decoded()["sample"][1]["period"], 4096)
        self.assertEqual(decoded()["program"][1]["comments"], ["lost: 3 blocks", "ü"])
        self.assertEqual(decoded()["plain"][1]["comments"], [])

    def test_all_frames_are_in_the_one_mapping(self):
        for name, (_snapshot, profile) in decoded().items():
            with self.subTest(name):
                (mapping,) = profile["mappings"]
                program = {"plain": "/srv/app.py", "threads": "python"}.get(name, "prog.py")  # of a merged one not known
                self.assertEqual(mapping["filename"], program)
                self.assertEqual(mapping["has"], [True, True, True, False])
                used = {frame[-1] for sample in profile["samples"] for frame in sample["stack"]}
                self.assertEqual(used, {mapping["id"]})

    def test_values_of_stacks(self):
        for name in ("program", "threads", "plain"):
            with self.subTest(name):
                snapshot, profile = decoded()[name]
                types = [tuple(pair) for pair in profile["types"]]
                self.assertEqual(stacks_in(profile), stacks_known(snapshot, types))

    def test_estimates_of_stacks(self):
        """Of all stacks together: what rounding leaves of one goes to the next. The API rounds each by itself."""
        snapshot, profile = decoded()["sample"]
        found, known = stacks_in(profile), stacks_known(snapshot, list(AMOUNTS))
        self.assertLessEqual(set(found), set(known))
        for index, kind in enumerate(AMOUNTS):
            total = sum(values[index] for values in found.values())
            self.assertAlmostEqual(total, sum(values[index] for values in known.values()), delta=len(known), msg=kind)

    def test_lines_of_functions(self):
        functions = {
            (name, line, first)
            for sample in decoded()["program"][1]["samples"]
            for name, file, line, first, _mapping in sample["stack"]
            if file.endswith("/prog.py") and name in ("Cache.fill", "Cache.page")
        }
        source = (traced_program()[0].parent / "prog.py").read_text().splitlines()
        self.assertGreater(len(functions), 2)
        for name, line, first in functions:
            self.assertIn(f"def {name.removeprefix('Cache.')}(", source[first - 1])
            self.assertTrue(first < line <= first + 2, (name, line, first))

    def test_labels(self):
        """The same blocks in two threads; each sample has the size of its blocks as a number, if it is not 0."""
        snapshot, profile = decoded()["threads"]
        threads, sizes = {}, {}
        for sample in profile["samples"]:
            labels = dict(sample["labels"])
            self.assertEqual(len(labels), len(sample["labels"]))
            size, unit = labels.get("bytes", (0, "bytes"))
            self.assertEqual(unit, "bytes")
            for count, space in zip(sample["values"][::2], sample["values"][1::2], strict=True):
                self.assertEqual(space, count * size)
            add(threads, labels["thread"], sample["values"])
            add(sizes, size, sample["values"][2:3])
        self.assertEqual(set(threads), set(THREADS))
        each = [
            sum(getattr(row, name) for row in self.snapshot.statistics("filename", sort="allocated"))
            for name in AMOUNTS.values()
        ]
        self.assertEqual(list(threads.values()), [each, each])
        known = {}
        for trace in snapshot.traces:
            add(known, trace.size, [1])
        self.assertEqual({size: count for size, count in sizes.items() if any(count)}, known)

    def test_domains_are_labels(self):
        _snapshot, profile = decoded()["plain"]
        domains = {tuple(sample["values"]): dict(sample["labels"]).get("domain") for sample in profile["samples"]}
        self.assertEqual(domains, {(1, 8): None, (1, 5): None, (1, 70): [DOMAIN, "count"]})


if __name__ == "__main__":
    unittest.main()
