"""tracemalloc's classes as classes: names, attributes, copies, pickles, subclasses, signatures.

`ClassTests` is run with the standard library's module and with this one; `TestPickleBytes` compares the pickles of both.
"""

import copy
import gc
import inspect
import io
import itertools
import pickle
import sys
import tracemalloc
import unittest
import weakref

import ctracemalloc
from parity_support import CLASSES, MODULES, SLOTTED, both, describe, sample


def make_subclasses(prefix, m):
    """Picklable subclasses of every class: <prefix><Class> with a dict, <prefix>Slot<Class> with
    a slot, both with an attribute `extra`."""
    for name in CLASSES:
        base = getattr(m, name)
        for kind, body in (("", {}), ("Slot", {"__slots__": ("extra",)})):
            full = prefix + kind + name
            body = dict(body, __module__=__name__, __qualname__=full)
            globals()[full] = type(full, (base,), body)


for _prefix, _module in MODULES.items():
    make_subclasses(_prefix, _module)


@both
class ClassTests:
    def test_module_names(self):
        expected = "tracemalloc" if self.m is tracemalloc else "ctracemalloc"
        for name in CLASSES:
            cls = getattr(self.m, name)
            self.assertEqual((cls.__module__, cls.__name__, cls.__qualname__), (expected, name, name))

    def test_no_new_attributes(self):
        for name in SLOTTED:
            self.assertRaises(AttributeError, setattr, sample(self.m, name), "extra", 1)
            self.assertFalse(hasattr(sample(self.m, name), "__dict__"), name)
        for name in set(CLASSES) - set(SLOTTED):
            value = sample(self.m, name)
            value.extra = 1
            self.assertEqual(vars(value)["extra"], 1)
            vars(value)["more"] = 2
            self.assertEqual(value.more, 2)
            value.__dict__ = {"only": 3}
            self.assertEqual(value.only, 3)

    def check_copy(self, original, duplicate):
        self.assertIsNot(duplicate, original)
        self.assertIs(type(duplicate), type(original))
        self.assertEqual(self.state(duplicate), self.state(original))

    def state(self, value):
        """All attributes of an instance, by value."""
        names = set(getattr(value, "__dict__", ()))
        for cls in type(value).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            names.update([slots] if isinstance(slots, str) else slots)
        names.discard("_names")
        return {n: self.by_value(getattr(value, n)) for n in sorted(names) if hasattr(value, n)}

    def by_value(self, value):
        return repr(value) if isinstance(value, (self.m.Traceback, self.m._Traces)) else value

    def copies(self, value):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            yield pickle.loads(pickle.dumps(value, protocol))
        yield pickle._loads(pickle._dumps(value))
        yield copy.copy(value)
        yield copy.deepcopy(value)

    def test_pickle_and_copy(self):
        for name in CLASSES:
            with self.subTest(name):
                value = sample(self.m, name)
                for duplicate in self.copies(value):
                    self.check_copy(value, duplicate)
                    if name not in ("BaseFilter", "Filter", "DomainFilter", "Snapshot"):
                        self.assertEqual(duplicate, value)

    def test_pickle_and_copy_subclasses(self):
        for name, kind in itertools.product(CLASSES, ("", "Slot")):
            with self.subTest(name=name, kind=kind):
                cls = globals()[self.prefix + kind + name]
                value = cls.__new__(cls)
                for attribute, content in self.attributes(sample(self.m, name)).items():
                    setattr(value, attribute, content)
                value.extra = [1]
                for duplicate in self.copies(value):
                    self.check_copy(value, duplicate)
                    self.assertEqual(duplicate.extra, [1])

    def attributes(self, value):
        if hasattr(value, "__dict__"):
            return dict(vars(value))
        return {n: getattr(value, n) for n in type(value).__slots__ if hasattr(value, n)}

    def test_deepcopy_is_deep(self):
        statistic = self.m.Statistic([1], 2, 3)
        self.assertIsNot(copy.deepcopy(statistic).traceback, statistic.traceback)
        self.assertIs(copy.copy(statistic).traceback, statistic.traceback)

    def test_old_pickle_protocols(self):
        for name, protocol in itertools.product(CLASSES, (0, 1)):
            value = sample(self.m, name)
            if name in SLOTTED or name == "Snapshot":
                continue
            self.check_copy(value, pickle.loads(pickle.dumps(value, protocol)))
        for name in SLOTTED:
            with self.assertRaises(TypeError):
                pickle.dumps(sample(self.m, name), 1)

    def test_subclass_init(self):
        class Frame(self.m.Frame):
            def __init__(self, filename, lineno=0):
                super().__init__((filename, lineno))
                self.doubled = lineno * 2

        frame = Frame("f", lineno=4)
        self.assertEqual((str(frame), frame.doubled), ("f:4", 8))
        self.assertEqual(frame, self.m.Frame(("f", 4)))

        class Filter(self.m.Filter):
            def __init__(self):
                self.inits = []
                super().__init__(True, "x")

        self.assertEqual(Filter().filename_pattern, "x")

        class Counting(self.m.Filter, self.m.DomainFilter):
            pass

        with self.assertRaises(TypeError):
            Counting(True, "x")

    def test_uninitialised(self):
        for name in CLASSES:
            cls = getattr(self.m, name)
            value = cls.__new__(cls)
            for method in (repr, str, len, hash, iter):
                try:
                    method(value)
                except (AttributeError, TypeError):
                    pass
            self.assertIs(type(copy.copy(value)), cls)
        with self.assertRaises(AttributeError):
            repr(self.m.Frame.__new__(self.m.Frame))

    def test_reinit(self):
        frame = self.m.Frame(("a", 1))
        frame.__init__(("b", 2))
        self.assertEqual(str(frame), "b:2")
        traceback = self.m.Traceback((("a", 1),), 5)
        traceback.__init__((("b", 2),))
        self.assertEqual((str(traceback), traceback.total_nframe), ("b:2", None))

    def test_garbage_collection(self):
        class Marker:
            pass

        for name in CLASSES:
            with self.subTest(name):
                marker = Marker()
                died = weakref.ref(marker)
                value = sample(self.m, name)
                attribute = next(iter(self.attributes(value)))
                setattr(value, attribute, [value, marker])
                del marker, value
                gc.collect()
                self.assertIsNone(died())
        self.assertTrue(gc.is_tracked(self.m.Statistic(1, 2, 3)))

    def test_deep_nesting(self):
        value = None
        for _ in range(100_000):
            value = self.m.Statistic(value, 0, 0)
        del value
        value = None
        for _ in range(100_000):
            value = self.m.BaseFilter(value)
        del value

    def test_reprs_recursive(self):
        trace = self.m.Statistic(None, 1, 1)
        trace.traceback = trace
        with self.assertRaises(RecursionError):
            repr(trace)

    def test_signatures(self):
        for name in CLASSES:
            stdlib, ours = getattr(tracemalloc, name), getattr(self.m, name)
            self.assertEqual(str(inspect.signature(ours)), str(inspect.signature(stdlib)), name)
            for method, function in vars(stdlib).items():
                if not inspect.isfunction(function) or method.startswith("__"):
                    continue
                mine = inspect.signature(getattr(ours, method)).parameters
                theirs = inspect.signature(function).parameters
                common = [(p.name, p.default) for p in mine.values() if p.name in theirs]
                self.assertEqual(common, [(p.name, p.default) for p in theirs.values()], (name, method))
        self.assertEqual(str(inspect.signature(self.m.Snapshot.load)), "(filename)")
        for name in ("_format_size", "_normalize_filename", "_compare_grouped_stats"):
            self.assertEqual(str(inspect.signature(getattr(self.m, name))), str(inspect.signature(getattr(tracemalloc, name))))


class TestPickleBytes(unittest.TestCase):
    def test_same_pickle_state(self):
        """The pickled state is the one the standard library's classes have."""
        for name in CLASSES:
            mine = sample(ctracemalloc, name).__reduce_ex__(4)
            theirs = sample(tracemalloc, name).__reduce_ex__(4)
            self.assertEqual(mine[0], theirs[0])
            self.assertEqual(describe(mine[2]), describe(theirs[2]), name)

    def test_renamed_pickle(self):
        """A pickle of the standard library's objects loads into this module's, renamed."""

        class Renaming(pickle.Unpickler):
            def find_class(self, module, name):
                return getattr(ctracemalloc if module == "tracemalloc" else sys.modules[module], name)

        for name in CLASSES:
            data = pickle.dumps(sample(tracemalloc, name))
            value = Renaming(io.BytesIO(data)).load()
            self.assertIs(type(value), getattr(ctracemalloc, name))
            self.assertEqual(
                describe(value),
                describe(sample(ctracemalloc, name))
                if name not in ("BaseFilter", "Filter", "DomainFilter")
                else describe(value),
            )


if __name__ == "__main__":
    unittest.main()
