"""Every function and method of tracemalloc, with arguments of every kind, in the standard module and in this one.

The outcome must be the same: the value, or the type and text of the exception. Where the text names a module, each names its
own. One difference is intended: start() has keywords here, so its message for an unknown one is its own.
"""

# Functions are called before their loop continues.
# ruff: noqa: B023

import os
import re
import tempfile
import tracemalloc
import unittest

import ctracemalloc
from parity_support import sample


class Index:
    """Only an index, not an int."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value

    def __repr__(self):
        return f"Index({self.value})"


class Fails:
    def __index__(self):
        raise KeyError("no index")

    def __repr__(self):
        return "Fails()"


class Odd:
    def __index__(self):
        return "not an int"

    def __repr__(self):
        return "Odd()"


class Int(int):
    pass


class Float:
    def __int__(self):
        return 5

    def __repr__(self):
        return "Float()"


class Text(str):
    pass


class NoTruth:
    def __bool__(self):
        raise KeyError("no truth")

    def __repr__(self):
        return "NoTruth()"


VALUES = [
    0, 1, -1, 2, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**40, 2**63, 2**64, 10**30, -(2**31), -(2**31) - 1, -(2**40),
    -(2**63), -(2**64), -(10**30), True, False, 1.0, 1.5, float("inf"), "1", "a", b"a", None, [], (), {}, Int(3), Int(-3),
    Int(2**40), Index(2), Index(-2), Index(0), Index(2**40), Fails(), Odd(), Float(), Text("x"), object, len, range(3),
]  # fmt: skip
FRAMES = (("a.py", 1), ("b.py", 2))
# Valid positional arguments; each of them is replaced by each value.
CONSTRUCTORS = {
    "Frame": [("a", 1)],
    "Traceback": [FRAMES, 5],
    "Trace": [(0, 10, FRAMES, 5)],
    "_Traces": [[(0, 10, FRAMES, 5)]],
    "Statistic": [FRAMES, 10, 2],
    "StatisticDiff": [FRAMES, 1, 2, 3, 4],
    "BaseFilter": [True],
    "Filter": [True, "a.py", 1, True, 0],
    "DomainFilter": [True, 1],
    "Snapshot": [[(0, 10, FRAMES, 5)], 7],
}
NO_ARGUMENTS = ["stop", "is_tracing", "clear_traces", "get_traceback_limit", "get_traced_memory", "reset_peak",
                "get_tracemalloc_memory", "_get_traces", "take_snapshot"]  # fmt: skip
ODD_CALLS = [((1,), {}), ((1, 2), {}), ((1, 2, 3), {}), ((), {"x": 1}), ((1,), {"x": 1}), ((), {"obj": 1}), ((1,), {"obj": 1}),
             ((), {"": 1})]  # fmt: skip
OPERATORS = ["<", "<=", ">", ">=", "==", "!="]


def neutral(text):
    text = re.sub(r"\bctracemalloc\._ctracemalloc\b|\b_?c?tracemalloc\b", "MODULE", text)
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def outcome(function, m):
    try:
        return "value", neutral(repr(function(m)))
    except Exception as error:
        return type(error).__name__, neutral(str(error)).split(". Did you mean")[0]


def public(value):
    """The public attributes of the standard module's instances, in a form that can be compared."""
    names = {name for name in dir(getattr(tracemalloc, type(value).__name__)) if not name.startswith("__")}
    names -= {"_abc_impl"}
    found = []
    for name in sorted(names | {"__str__", "__hash__", "__len__"}):
        try:
            attribute = getattr(value, name)
            found.append((name, None if callable(attribute) else repr(attribute)))
        except Exception as error:
            found.append((name, type(error).__name__, str(error)))
    for function in (repr, str, bool, list, lambda it: bool(hash(it)) and None):
        try:
            found.append(neutral(repr(function(value))))
        except Exception as error:
            found.append((type(error).__name__, neutral(str(error))))
    return found


def snapshot(m):
    return m.Snapshot([(0, 10, FRAMES, 5), (1, 20, FRAMES[:1], 1), (0, 30, (("<x>", 0),), 1)], 7)


class TestArguments(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        for m in (tracemalloc, ctracemalloc):
            self.addCleanup(m.stop)

    def same(self, what, function):
        theirs = outcome(function, tracemalloc)
        tracemalloc.stop()
        ours = outcome(function, ctracemalloc)
        ctracemalloc.stop()
        if theirs != ours:  # no subTest for each of thousands
            with self.subTest(what):
                self.assertEqual(ours, theirs)

    def test_start(self):
        def started(m, *arguments):
            m.start(*arguments)
            return m.is_tracing(), m.get_traceback_limit()

        for value in VALUES:
            if value is Odd or not isinstance(value, type):
                self.same(f"start({value!r})", lambda m: started(m, value))
        self.same("start()", started)
        self.same("start(1, 2)", lambda m: started(m, 1, 2))
        self.same("start(x, y, z)", lambda m: started(m, "x", "y", "z"))
        for keywords in ({"nframe": 1}, {"x": 1}, {"": 1}):
            for m in (tracemalloc, ctracemalloc):
                self.assertRaises(TypeError, m.start, **keywords)
                self.assertRaises(TypeError, m.start, 1, **keywords)
                self.assertFalse(m.is_tracing())
        with self.assertRaisesRegex(OverflowError, "^Python int too large to convert to C int$"):
            ctracemalloc.start(2**40)

    def test_functions_of_the_module(self):
        for name in (*NO_ARGUMENTS, "get_object_traceback", "_get_object_traceback"):
            for arguments, keywords in ODD_CALLS:
                self.same(f"{name}(*{arguments}, **{keywords})", lambda m: getattr(m, name)(*arguments, **keywords))
        for name in ("get_object_traceback", "_get_object_traceback"):
            self.same(f"{name}()", lambda m: getattr(m, name)())
            for value in VALUES:
                self.same(f"{name}({value!r})", lambda m: getattr(m, name)(value))
        for value in VALUES:
            self.same(f"_normalize_filename({value!r})", lambda m: m._normalize_filename(value))
            for sign in (False, True, value):
                self.same(f"_format_size({value!r}, {sign!r})", lambda m: m._format_size(value, sign))

    def test_constructors(self):
        for name, right in CONSTRUCTORS.items():
            for position in range(len(right)):
                for value in VALUES:

                    def make(m):
                        arguments = [m.Traceback(FRAMES) if name.startswith("Statistic") else right[0], *right[1:]]
                        arguments[position] = value
                        return public(getattr(m, name)(*arguments))

                    self.same(f"{name}, argument {position}: {value!r}", make)

    def test_sequences(self):
        for value in VALUES:
            for flag in (False, True, None, 2, "x", NoTruth()):
                self.same(f"format({value!r}, {flag!r})", lambda m: m.Traceback(FRAMES, 5).format(value, flag))
            for name, make in (("Traceback", lambda m: m.Traceback(FRAMES)), ("traces", lambda m: snapshot(m).traces)):
                self.same(f"{name}[{value!r}]", lambda m: make(m)[value])
                self.same(f"{name}[:{value!r}]", lambda m: make(m)[:value])
                self.same(f"{name}.index({value!r})", lambda m: make(m).index(value))
                self.same(f"{name}.index(., {value!r})", lambda m: make(m).index(make(m)[1], value))
                self.same(f"{name}.index(., 0, {value!r})", lambda m: make(m).index(make(m)[1], 0, value))
                self.same(f"{name}.count({value!r})", lambda m: make(m).count(value))
                self.same(f"{value!r} in {name}", lambda m: value in make(m))

    def test_comparisons(self):
        for name in CONSTRUCTORS:
            for value in VALUES:
                for operator in OPERATORS:
                    code = compile(f"it {operator} value", "comparison", "eval")
                    self.same(
                        f"{name} {operator} {value!r}",
                        lambda m: eval(code, {"it": sample(m, name), "value": value}),
                    )

    def test_snapshots(self):
        for value in VALUES:
            for key in ("lineno", "traceback", "filename", value):
                for cumulative in (False, value):
                    arguments = f"({key!r}, {cumulative!r})"
                    self.same("statistics" + arguments, lambda m: snapshot(m).statistics(key, cumulative))
                    self.same("compare_to" + arguments, lambda m: snapshot(m).compare_to(snapshot(m), key, cumulative))
            self.same(f"compare_to({value!r})", lambda m: snapshot(m).compare_to(value, "lineno"))
            self.same(f"filter_traces({value!r})", lambda m: public(snapshot(m).filter_traces(value)))
            self.same(f"filter_traces([{value!r}])", lambda m: public(snapshot(m).filter_traces([value])))

    def test_filters(self):
        for value in VALUES:
            made = {
                "inclusive": lambda m: m.Filter(value, "a.py"),
                "pattern": lambda m: m.Filter(True, value),
                "lineno": lambda m: m.Filter(True, "a.py", value),
                "all_frames": lambda m: m.Filter(True, "a.py", None, value),
                "domain": lambda m: m.Filter(True, "a.py", domain=value),
                "DomainFilter": lambda m: m.DomainFilter(True, value),
                "DomainFilter, inclusive": lambda m: m.DomainFilter(value, 1),
            }
            for what, make in made.items():
                self.same(f"{what} {value!r}", lambda m: snapshot(m).filter_traces([make(m)]).traces._traces)
                self.same(f"{what} {value!r}: _match", lambda m: make(m)._match((1, 2, FRAMES, 1)))
            for name in ("Filter", "DomainFilter", "BaseFilter"):
                self.same(f"{name}._match({value!r})", lambda m: sample(m, name)._match(value))
            self.same(f"_match_frame({value!r}, 1)", lambda m: sample(m, "Filter")._match_frame(value, 1))
            self.same(f"_match_frame(., {value!r})", lambda m: sample(m, "Filter")._match_frame("a.py", value))
            self.same(f"_match_traceback({value!r})", lambda m: sample(m, "Filter")._match_traceback(value))

    def test_files(self):
        """Only arguments that open nothing of this process: its own descriptors are numbers too."""
        for value in VALUES:
            is_harmless = not isinstance(value, (int, str, bytes, Index)) or value in (10**30, -1, 2**40, -(2**40))
            if is_harmless or (isinstance(value, Index) and not 0 <= value.value < 65_536):
                self.same(f"dump({value!r})", lambda m: snapshot(m).dump(value))
                self.same(f"load({value!r})", lambda m: m.Snapshot.load(value))

    def test_file_descriptors(self):
        for kind in (int, Int, Index):
            for m in (tracemalloc, ctracemalloc):
                with self.subTest(kind=kind, m=m), tempfile.TemporaryDirectory() as folder:
                    path = os.path.join(folder, "it")
                    self.assertIsNone(snapshot(m).dump(kind(os.open(path, os.O_WRONLY | os.O_CREAT))))
                    loaded = m.Snapshot.load(kind(os.open(path, os.O_RDONLY)))
                    self.assertEqual([t._trace for t in loaded.traces], [t._trace for t in snapshot(m).traces])


if __name__ == "__main__":
    unittest.main()
