"""Snapshot.call_tree: figures, groups and selections against sums over the traces, in Python.

A node is named by its path, ((file, line, function), …) from the oldest frame on. Two nodes may have one path, because they
differ in the line where a function begins or in the frames that were left out; their figures are added up.
"""

import array
import collections
import copy
import gc
import os
import pickle
import random
import sys
import threading
import unittest

import ctracemalloc as m
from types_support import Case, random_traces

FIGURES = ["size", "count", "peak_size", "peak_count", "allocated_size", "allocated_count"]
LINKS = {
    "parent": "I",
    "frame": "I",
    "first_child": "I",
    "next_sibling": "I",
    "frame_function": "I",
    "frame_lineno": "i",
    "function_filename": "I",
    "function_name": "I",
    "function_first_lineno": "i",
}


def recurse(depth, held, size):
    if depth:
        recurse(depth - 1, held, size)
        held.append(bytearray(size))
    else:
        held.append([bytes(size), {size: size}])


def ping(depth, held):
    held.append(bytearray(100))
    if depth:
        pong(depth - 1, held)


def pong(depth, held):
    held.append(bytearray(200))
    if depth:
        ping(depth - 1, held)


def work(held):
    for i in range(5):
        recurse(i, held, 50 + i)
        ping(i, held)
    threads = [threading.Thread(target=recurse, args=(3, held, 77)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    churn = [bytearray(5000) for _ in range(20)]
    del churn


def traced(*arguments, **options):
    """A snapshot of work(), and an earlier one."""
    m.start(*arguments, **options)
    try:
        held = []
        work(held)
        older = m.take_snapshot()
        work(held)
        del held[: len(held) // 3]
        return m.take_snapshot(), older
    finally:
        m.stop()


def path_of(trace):
    return tuple((frame.filename, frame.lineno, frame.name) for frame in trace.traceback)


def prefixes(path):
    return [path[:length] for length in range(len(path) + 1)]


def node_paths(tree):
    """The path of each node, from the columns alone."""
    strings = list(tree.strings)
    frames = [
        (strings[tree.function_filename[function]], line, strings[tree.function_name[function]] or None)
        for function, line in zip(tree.frame_function, tree.frame_lineno, strict=True)
    ]
    paths = [()]
    for parent, frame in list(zip(tree.parent, tree.frame, strict=True))[1:]:
        paths.append((*paths[parent], frames[frame]))
    return paths


def by_path(paths, column):
    sums = collections.Counter()
    for path, value in zip(paths, column, strict=True):
        sums[path] += value
    return {path: value for path, value in sums.items() if value}


def naive(traces, wanted=lambda path: True):
    """(own size, own count, total size, total count) by path."""
    sums = [collections.Counter() for _ in range(4)]
    for trace in traces:
        path = path_of(trace)
        if not wanted(path):
            continue
        sums[0][path] += trace.size
        sums[1][path] += 1
        for prefix in prefixes(path):
            sums[2][prefix] += trace.size
            sums[3][prefix] += 1
    return [{path: value for path, value in each.items() if value} for each in sums]


def minus(newer, older):
    differences = [{path: a.get(path, 0) - b.get(path, 0) for path in {*a, *b}} for a, b in zip(newer, older, strict=True)]
    return [{path: value for path, value in each.items() if value} for each in differences]


def figures(tree, kind=""):
    paths = node_paths(tree)
    names = [f"{sum_}_{kind}{what}" for sum_ in ("own", "total") for what in ("size", "count")]
    return [by_path(paths, getattr(tree, name)) for name in names]


def group_files(tree):
    """(groups of frames by their file, the files)"""
    files = [tree.function_filename[function] for function in tree.frame_function]
    order = sorted(set(files))
    return array.array("I", [order.index(file) for file in files]), [tree.strings[file] for file in order]


class TreeCase(Case):
    def check(self, snapshot, tree=None):
        tree = tree or snapshot.call_tree()
        self.assertEqual(figures(tree), naive(snapshot.traces))
        self.assertEqual(tree.total_size[0], sum(trace.size for trace in snapshot.traces))
        self.assertEqual(tree.total_count[0], len(snapshot.traces))
        return tree


class TestFigures(TreeCase):
    def test_program(self):
        for nframe in (1, 3, 40):
            with self.subTest(nframe):
                snapshot, older = traced(nframe)
                tree = self.check(snapshot)
                self.check(older)
                self.assertGreater(len(tree), 10)
                self.assertTrue(tree.peak_known and tree.churn_known)
                self.assertFalse(tree.estimated)
                self.assertIsNone(tree.newer)
                self.assertIsNone(tree.older)

    def test_peak(self):
        snapshot, _older = traced(10)
        tree = snapshot.call_tree()
        self.assertEqual(figures(tree, "peak_"), naive(snapshot.at_peak.traces))
        self.check(snapshot.at_peak)

    def test_allocated(self):
        snapshot, _older = traced(10)
        tree = snapshot.call_tree()
        lines = [tuple(frame[:2] for frame in path) for path in node_paths(tree)]
        statistics = snapshot.statistics("traceback", sort="allocated")
        expected = {tuple((f.filename, f.lineno) for f in s.traceback): s.allocated_size for s in statistics}
        self.assertEqual(by_path(lines, tree.own_allocated_size), {p: size for p, size in expected.items() if size})
        self.assertEqual(tree.total_allocated_size[0], sum(expected.values()))
        self.assertEqual(tree.total_allocated_count[0], sum(s.allocated_count for s in statistics))
        self.assertGreater(tree.total_allocated_size[0], tree.total_size[0] + 20 * 5000)

    def test_sampled(self):
        snapshot, _older = traced(10, sample_interval=64)
        tree = snapshot.call_tree()
        groups = tree.group(tree.frame_function, len(tree.function_name))
        found = collections.defaultdict(collections.Counter)
        for function in range(1, len(groups)):
            key = tree.strings[tree.function_filename[function]], tree.function_first_lineno[function]
            found[key, tree.strings[tree.function_name[function]] or None] += collections.Counter(
                {name: getattr(groups, f"own_{name}")[function] for name in FIGURES}
            )
        statistics = snapshot.statistics("function", sort="allocated")
        self.assertGreater(len(statistics), 2)
        for statistic in statistics:
            frame = statistic.traceback[0]
            figures = found[(frame.filename, frame.lineno), frame.name]
            self.assertEqual({n: figures[n] for n in FIGURES}, {n: getattr(statistic, n) for n in FIGURES})
        self.assertTrue(tree.estimated)

    def test_list_backed(self):
        """Traces that were made or replaced by hand have neither peak nor churn."""
        raw = random_traces(random.Random(7), 40)
        made = m.Snapshot(raw, 5)
        tree = self.check(made)
        self.assertFalse(tree.peak_known or tree.churn_known or tree.estimated)
        for name in FIGURES[2:]:
            self.assertEqual(set(getattr(tree, f"own_{name}")) | set(getattr(tree, f"total_{name}")), {0})
        snapshot, _older = traced(3)
        snapshot.traces = made.traces
        self.check(snapshot)
        snapshot.traces._traces = raw[:10]
        self.assertEqual(self.check(snapshot).total_count[0], 10)
        self.check(self.to_core(raw))
        self.assertEqual(len(m.Snapshot([], 1).call_tree()), 1)
        with self.assertRaisesRegex(TypeError, "cannot convert trace 0"):
            m.Snapshot(["x"], 1).call_tree()

    def test_no_frames(self):
        """Blocks with an empty traceback are the root's own."""
        tree = m.Snapshot([(0, 10, (), 0), (0, 5, (("a.py", 1),), 1), (0, 7, (), 0)], 1).call_tree()
        self.assertEqual((list(tree.own_size), list(tree.total_size)), ([17, 5], [22, 5]))
        groups = tree.group(array.array("I", [0, 1]), 2)
        self.assertEqual((list(groups.own_size), list(groups.total_size)), ([17, 5], [17, 5]))
        self.assertEqual(tree.select(b"\1\0", any_frame=True).total_size[0], 17)
        self.assertEqual(tree.select(b"\0\1").total_size.tolist(), [5, 5])


class TestSources(TreeCase):
    """Snapshots of every kind."""

    def test_files(self):
        snapshot, _older = traced(10)
        for form in ("ctm", "stdlib"):
            with self.subTest(form):
                snapshot.dump(self.path, form)
                loaded = m.Snapshot.load(self.path)
                tree = self.check(loaded)
                self.assertEqual(tree.peak_known, form == "ctm")

    def test_filtered(self):
        snapshot, _older = traced(10)
        self.check(snapshot.filter_traces([m.Filter(True, __file__)]))

    def test_merged(self):
        merged = m.Snapshot.merge(traced(10))
        tree = self.check(merged)
        self.assertTrue(tree.churn_known)

    def test_recording(self):
        path = os.path.join(self.folder, "recording.ctr")
        m.start(10)
        try:
            recorder = m.record(path, interval=0.01)
            held = []
            work(held)
            recorder.stop()
        finally:
            m.stop()
        recording = m.open_recording(path)
        self.check(recording.snapshot())
        first = recording.snapshot(0)
        self.check(first)
        difference = recording.snapshot().call_tree(first)
        self.assertEqual(figures(difference), minus(naive(recording.snapshot().traces), naive(first.traces)))

    def test_black_box(self):
        path = os.path.join(self.folder, "box.ctb")
        snapshot, _older = traced(10, black_box=path)
        with m.open_black_box(path) as box:
            tree = self.check(box.snapshot())
        self.assertGreaterEqual(tree.total_size[0], snapshot.call_tree().total_size[0])


class TestDifference(TreeCase):
    def check_difference(self, newer, older):
        tree = newer.call_tree(older)
        self.assertEqual(figures(tree), minus(naive(newer.traces), naive(older.traces)))
        self.check(newer, tree.newer)
        self.check(older, tree.older)
        self.assertEqual(len(tree), len(tree.newer))
        self.assertEqual(tree.parent, tree.older.parent)
        for name in FIGURES:
            for column in (f"own_{name}", f"total_{name}"):
                sides = zip(getattr(tree.newer, column), getattr(tree.older, column), strict=True)
                if (tree.peak_known or "peak" not in name) and (tree.churn_known or "allocated" not in name):
                    self.assertEqual(list(getattr(tree, column)), [new - old for new, old in sides], column)
        self.assertIsNone(tree.newer.newer)
        return tree

    def test_one_program(self):
        newer, older = traced(10)
        self.assertGreater(self.check_difference(newer, older).total_size[0], 0)
        self.assertLess(self.check_difference(older, newer).total_size[0], 0)
        self.assertEqual(set(self.check_difference(newer, newer).own_count), {0})

    def test_foreign_tables(self):
        rng = random.Random(3)
        newer, older = (m.Snapshot(random_traces(rng, 30), 5) for _ in range(2))
        self.check_difference(newer, older)
        self.check_difference(self.to_core(random_traces(rng, 30)), older)
        traced_one, _older = traced(5)
        tree = self.check_difference(traced_one, self.to_core(random_traces(rng, 30)))
        self.assertFalse(tree.peak_known)
        self.assertEqual(set(tree.total_peak_size), {0})
        self.assertTrue(any(tree.newer.total_peak_size))

    def test_keyword_and_none(self):
        newer, older = traced(2)
        self.assertIsNotNone(newer.call_tree(older=older).older)
        self.assertIsNone(newer.call_tree(None).older)
        for bad in (1, newer.traces, newer.call_tree()):
            with self.assertRaisesRegex(TypeError, "older must be a Snapshot or None"):
                newer.call_tree(bad)
        with self.assertRaises(TypeError):
            newer.call_tree(older, older)


class TestGroups(TreeCase):
    def naive_groups(self, traces):
        sums = [collections.Counter() for _ in range(4)]
        for trace in traces:
            files = [frame[0] for frame in path_of(trace)]
            for kind, keys in ((0, files[-1:]), (2, set(files))):
                for key in keys:
                    sums[kind][key] += trace.size
                    sums[kind + 1][key] += 1
        return sums

    def check_groups(self, tree, expected):
        of, files = group_files(tree)
        groups = tree.group(of, len(files))
        self.assertEqual(len(groups), len(files))
        for name, sums in zip(("own_size", "own_count", "total_size", "total_count"), expected, strict=True):
            self.assertEqual(getattr(groups, name).tolist(), [sums[file] for file in files], name)

    def test_recursion(self):
        newer, older = traced(40)
        expected = self.naive_groups(newer.traces)
        self.check_groups(newer.call_tree(), expected)
        self.assertGreater(expected[3][__file__], 0)
        before = self.naive_groups(older.traces)
        for new, old in zip(expected, before, strict=True):
            new.subtract(old)
        self.check_groups(newer.call_tree(older), expected)

    def test_random(self):
        for seed in range(10):
            snapshot = m.Snapshot(random_traces(random.Random(seed), 60), 5)
            self.check_groups(snapshot.call_tree(), self.naive_groups(snapshot.traces))

    def test_all_and_each(self):
        tree = traced(40)[0].call_tree()
        frames = len(tree.frame_lineno)
        one = tree.group(array.array("I", bytes(4 * frames)), 1)
        for name in FIGURES:
            whole = getattr(tree, f"total_{name}")[0]
            self.assertEqual([getattr(one, f"own_{name}")[0], getattr(one, f"total_{name}")[0]], [whole, whole])
        each = tree.group(memoryview(array.array("I", range(frames))), frames)
        self.assertEqual(sum(each.own_size), tree.total_size[0])

    def test_errors(self):
        tree = traced(5)[0].call_tree()
        frames = len(tree.frame_lineno)
        good = array.array("I", bytes(4 * frames))
        for error, text, arguments in (
            (ValueError, "frame 0 is in group 0, but there are 0 groups", (good, 0)),
            (ValueError, "frame 1 is in group 5, but there are 5 groups", (array.array("I", [4, 5, *good[2:]]), 5)),
            (ValueError, f"group_of_frame has {frames - 1} items, but there are {frames} frames", (good[1:], 1)),
            (TypeError, "of format 'I', not of 1 and of format 'i'", (array.array("i", good), 1)),
            (TypeError, "of format 'I', not of 1 and of format 'B'", (bytes(4 * frames), 1)),
            (TypeError, "of format 'I', not of 2", (memoryview(bytes(4 * frames)).cast("I", (1, frames)), 1)),
            (TypeError, "a bytes-like object is required", (list(good), 1)),
            (TypeError, "interpreted as an integer", (good, 1.5)),
            (ValueError, "number must be 0 to", (good, -1)),
            (ValueError, "number must be 0 to", (good, 2**32)),
            (ValueError, "", (good, 2**70)),
            (TypeError, "missing 1 required", (good,)),
        ):
            with self.subTest(text), self.assertRaisesRegex(error, text.replace("(", r"\(")):
                tree.group(*arguments)
        with self.assertRaises(BufferError):
            tree.group(memoryview(array.array("I", bytes(8 * frames)))[::2], 1)


class TestSelect(TreeCase):
    def check_select(self, newer, older=None):
        tree = newer.call_tree(older)
        names = [tree.strings[tree.function_name[function]] for function in tree.frame_function]
        which = {
            "any_frame": lambda path: any(frame[2] in ("recurse", "pong") for frame in path),
            "every_frame": lambda path: not any(frame[2] in ("recurse", "pong") for frame in path),
            "": lambda path: path[-1][2] in ("recurse", "pong"),
        }
        for option, is_wanted in which.items():
            wanted = bytes((name in ("recurse", "pong")) != (option == "every_frame") for name in names)
            self.assertEqual(set(wanted), {0, 1})
            options = {option: True} if option else {}
            selected = tree.select(wanted, **options)
            expected = naive(newer.traces, is_wanted)
            if older is not None:
                expected = minus(expected, naive(older.traces, is_wanted))
                self.assertEqual(figures(selected.older), naive(older.traces, is_wanted))
            self.assertEqual(figures(selected), expected)
            self.assertEqual(len(selected), len(tree))
            self.assertLess(selected.total_count[0], tree.total_count[0])
            again = selected.select(wanted, **options)
            self.assertEqual(again.total_size, selected.total_size)

    def test_program(self):
        newer, older = traced(40)
        self.check_select(newer)
        self.check_select(newer, older)

    def test_all_and_none(self):
        tree = traced(5)[0].call_tree()
        frames = len(tree.frame_lineno)
        for options in ((), (True,), (False, True)):
            every = tree.select(b"\xff" * frames, *options)
            nothing = tree.select(bytearray(frames), *options)
            for name in FIGURES:
                self.assertEqual(getattr(every, f"total_{name}"), getattr(tree, f"total_{name}"))
                self.assertEqual(set(getattr(nothing, f"total_{name}")), {0})

    def test_errors(self):
        tree = traced(5)[0].call_tree()
        frames = len(tree.frame_lineno)
        with self.assertRaisesRegex(ValueError, f"wanted_frames has 3 items, but there are {frames} frames"):
            tree.select(b"123")
        with self.assertRaisesRegex(TypeError, "of format 'B', not of 1 and of format 'I'"):
            tree.select(array.array("I", bytes(4 * frames)))
        with self.assertRaises(TypeError):
            tree.select("x" * frames)
        with self.assertRaisesRegex(ValueError, "any_frame and every_frame exclude each other"):
            tree.select(bytes(frames), True, True)


class TestObject(TreeCase):
    def test_columns(self):
        """Read-only memoryviews of the core's memory, which they keep alive."""
        tree = traced(5)[0].call_tree()
        rows = dict.fromkeys(("parent", "frame", "first_child", "next_sibling"), len(tree))
        columns = {f"{kind}_{name}": "q" for kind in ("own", "total") for name in FIGURES}
        for name, form in {**LINKS, **columns}.items():
            view = getattr(tree, name)
            self.assertIs(type(view), memoryview)
            self.assertEqual((view.format, view.readonly, view.ndim, view.c_contiguous), (form, True, 1, True), name)
            self.assertEqual(len(view), rows.get(name) or len(tree if name in columns else getattr(tree, name)))
            self.assertEqual(list(array.array(form, view.tobytes())), view.tolist())
            with self.assertRaises(TypeError):
                view[0] = 1
        self.assertTrue(all(parent < node for node, parent in enumerate(tree.parent) if node))
        kept, expected = tree.total_size, tree.total_size.tolist()
        groups = tree.group(tree.frame_function, len(tree.function_name)).own_count
        strings, texts = tree.strings, list(tree.strings)
        del tree
        gc.collect()
        traced(5)[0].call_tree()
        self.assertEqual(kept.tolist(), expected)
        self.assertEqual(sum(groups), sum(groups.tolist()))
        self.assertEqual(list(strings), texts)

    def test_children(self):
        tree = traced(40)[0].call_tree()
        expected = collections.defaultdict(list)
        for node in range(1, len(tree)):
            expected[tree.parent[node]].append(node)
        for node in range(len(tree)):
            children, child = [], tree.first_child[node]
            while child:
                children.append(child)
                child = tree.next_sibling[child]
            self.assertEqual(children, expected[node])

    def test_strings(self):
        tree = m.Snapshot([(0, 1, (("é\ud800.py", 1),), 1), (0, 1, (("a\0b", 2),), 1)], 1).call_tree()
        self.assertEqual(sorted(tree.strings), ["", "a\0b", "é\ud800.py"])
        self.assertEqual(len(tree.strings), 3)
        self.assertIs(tree.strings[1], tree.strings[1])
        self.assertEqual(tree.strings[-1], tree.strings[2])
        for bad in (3, -4, 2**80):
            with self.assertRaises(IndexError):
                tree.strings[bad]

    def test_traceback(self):
        snapshot, _older = traced(10)
        tree = snapshot.call_tree()
        self.assertIs(type(tree.traceback(1)), m.Traceback)
        found = [tuple((f.filename, f.lineno, f.name) for f in tree.traceback(node)) for node in range(len(tree))]
        self.assertEqual(found, node_paths(tree))
        for bad in (-1, len(tree), 2**70):
            with self.assertRaises(IndexError):
                tree.traceback(bad)
        with self.assertRaises(TypeError):
            tree.traceback("1")

    def test_not_made_by_hand(self):
        snapshot, older = traced(2)
        tree = snapshot.call_tree(older)
        groups = tree.group(array.array("I", bytes(4 * len(tree.frame_lineno))), 1)
        self.assertIs(type(tree), m.CallTree)
        self.assertIs(type(groups), m.CallTreeGroups)
        for kind in (m.CallTree, m.CallTreeGroups):
            with self.assertRaisesRegex(TypeError, "cannot create"):
                kind()
            with self.assertRaises(TypeError):
                type("Sub", (kind,), {})
        for one in (tree, groups):
            for function in (copy.copy, pickle.dumps):
                with self.assertRaises(TypeError):
                    function(one)
        self.assertRegex(repr(tree), r"<CallTree nodes=\d+ size=-?\d+ count=-?\d+>")

    def test_nothing_leaks(self):
        newer, older = traced(5)
        of = array.array("I", bytes(4 * len(newer.call_tree(older).frame_lineno)))

        def use():
            tree = newer.call_tree(older)
            tree.group(of, 1).own_size.tolist()
            tree.select(bytes(len(of))).newer.own_size.release()
            tree.traceback(1).total_nframe  # noqa: B018
            list(tree.strings)
            for bad in (of[1:], b""):
                with self.assertRaises((TypeError, ValueError)):
                    tree.group(bad, 1)

        use()
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(50):
            use()
        gc.collect()
        self.assertLess(sys.getallocatedblocks() - before, 100)

    def test_threads(self):
        """The core reads without the GIL; the answers are those of one thread."""
        snapshot = m.Snapshot(random_traces(random.Random(5), 300), 5)
        tree = snapshot.call_tree()
        of, files = group_files(tree)
        expected = tree.group(of, len(files)).total_size.tolist()
        results = []

        def ask():
            for _ in range(50):
                results.append(tree.group(of, len(files)).total_size.tolist() == expected)
                results.append(snapshot.call_tree(snapshot).newer.total_size == tree.total_size)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [True] * 400)


if __name__ == "__main__":
    unittest.main()
