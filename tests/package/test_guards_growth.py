"""assert_no_growth: each leak is found each time, and what does not leak passes each time."""

import asyncio
import functools
import gc
import json
import os
import random
import re
import threading
import unittest

import ctracemalloc
from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc import assert_no_growth


def setUpModule():
    skip_some_pythons()


class Slotted:
    __slots__ = ("value",)


class Cycle:
    def __init__(self):
        self.me = self


class Keeper:
    """Keeps one thing a call in a place that is there already, so that only the thing itself grows."""

    def __init__(self, make):
        self.make, self.places, self.calls = make, [None] * 1000, 0

    def __call__(self):
        self.places[self.calls] = self.make()
        self.calls += 1


LEAKS = {
    "object": object,
    "bytes": lambda: bytes(1),
    "float": lambda: random.random(),
    "tuple": lambda: (random.random(), 1),
    "list": list,
    "dict": dict,
    "set": lambda: {1},
    "instance": lambda: Slotted(),
    "cycle": lambda: Cycle(),
    "str": lambda: "x" * random.randrange(5, 50),
    "int": lambda: random.randrange(1 << 20, 1 << 29),
    "closure": lambda: lambda: 1,
    "generator": lambda: (i for i in ()),
    "bound method": lambda: [].append,
    "thread lock": threading.Lock,
}
cache_of_some = functools.lru_cache(maxsize=4)(lambda key: [key])


STATE = [None]


def replaced_at_random():
    STATE[0] = bytes(random.randrange(1, 10_000))


def many_floats():
    return [random.random() for _ in range(random.randrange(200))]


def garbage():
    for _ in range(random.randrange(1, 20)):
        Cycle()


def a_caught_error():
    try:
        raise KeyError("x" * 100)
    except KeyError as error:
        return str(error)


def a_thread():
    thread = threading.Thread(target=many_floats)
    thread.start()
    thread.join()


def a_pattern():
    return re.compile("(a|b)+c").match("abc")


def a_late_import():
    import colorsys  # one that nothing else imports

    return colorsys.rgb_to_hls(0.1, 0.2, 0.3)


def names_of_attributes():
    """Each is a new string, which the interpreter's cache of attributes keeps."""
    return [hasattr(Slotted, "name" + str(number)) for number in range(3)]


async def wait_a_moment():
    await asyncio.sleep(0)


HARMLESS = {
    "nothing": lambda: None,
    "its result": lambda: [object() for _ in range(100)],
    "garbage": garbage,
    "free lists": many_floats,
    "a bounded cache": lambda: cache_of_some(random.randrange(10)),
    "replaced at random": replaced_at_random,
    "an error": a_caught_error,
    "a thread": a_thread,
    "a pattern": a_pattern,
    "names of attributes": names_of_attributes,
    "an import": a_late_import,
    "json": lambda: json.loads(json.dumps({"key": [1.5, None, "text"] * 50})),
    "an event loop": lambda: asyncio.run(wait_a_moment()),
    "recursion": lambda: functools.reduce(lambda one, two: (one, two), range(500)),
}


class GrowthTest(unittest.TestCase):
    def setUp(self):
        ctracemalloc.stop()
        self.addCleanup(ctracemalloc.stop)

    def failure(self, function, **options):
        with self.assertRaises(AssertionError) as caught:
            assert_no_growth(function, **options)
        return str(caught.exception)

    def test_each_leak_is_found(self):
        for name, make in LEAKS.items():
            for _ in range(2):
                with self.subTest(name):
                    self.assertIn(
                        " a run (30 runs, after 3 runs to warm up; the limit is 0 B a run)", self.failure(Keeper(make))
                    )

    def test_each_leak_is_found_while_tracing(self):
        for nframe in (1, 25):
            ctracemalloc.start(nframe)
            for name, make in LEAKS.items():
                with self.subTest(name, nframe=nframe):
                    self.failure(Keeper(make))
            self.assertTrue(ctracemalloc.is_tracing())
            self.assertEqual(ctracemalloc.get_traceback_limit(), nframe)
            ctracemalloc.stop()

    def test_what_does_not_leak_passes(self):
        for name, function in HARMLESS.items():
            for _ in range(4):
                with self.subTest(name):
                    assert_no_growth(function)

    def test_what_does_not_leak_passes_while_tracing(self):
        ctracemalloc.start(3)
        for name, function in HARMLESS.items():
            with self.subTest(name):
                assert_no_growth(function)

    def test_without_collections_of_its_own(self):
        gc.disable()
        self.addCleanup(gc.enable)
        assert_no_growth(garbage)
        self.failure(Keeper(Cycle))

    def test_numbers(self):
        text = self.failure(Keeper(lambda: bytes(1000 - 33)), runs=6)
        self.assertIn("Keeper() grows by 1000 B in 1 block a run (18 runs, after 3 runs to warm up", text)
        self.assertRegex(text, r"\+1000 B +1 +\+17\.6 KiB +.*test_guards_growth\.py:\d+ +\S*<lambda>")
        self.assertIn("text = self.failure(Keeper(lambda: bytes(1000 - 33)), runs=6)", text)

    def test_several_lines_the_largest_first(self):
        one = Keeper(lambda: bytes(100))
        two = Keeper(lambda: [bytes(5000), bytes(5000)])

        def both():
            one()
            two()

        text = self.failure(both)
        self.assertIn("both() grows by ", text)
        self.assertIn("blocks a run (30 runs", text)
        self.assertLess(text.index("bytes(5000)"), text.index("bytes(100)"))

    def test_one_in_three_calls(self):
        keeper, calls = Keeper(object), 0

        def sometimes():
            nonlocal calls
            calls += 1
            if calls % 3 == 0:
                keeper()

        self.assertRegex(self.failure(sometimes, runs=9, warmup=0), r"grows by \d+ B in 0\.3 blocks a run")

    def test_a_random_function_and_what_it_leaks(self):
        for seed in range(12):
            numbers = random.Random(seed)
            sizes = [numbers.randrange(1, 3000) for _ in range(numbers.randrange(4))]
            keepers = [Keeper(functools.partial(bytes, size)) for size in sizes]

            def function(keepers=keepers):
                many_floats()
                replaced_at_random()
                for keeper in keepers:
                    keeper()

            with self.subTest(seed=seed, sizes=sizes):
                if not sizes:
                    assert_no_growth(function)
                    continue
                whole = sum(size + bytes.__basicsize__ for size in sizes)
                assert_no_growth(function, limit=whole)
                text = self.failure(function, limit=whole - 1)
                self.assertIn(f"in {len(sizes)} block", text)

    def test_the_limit_is_of_all_lines(self):
        keeper = Keeper(lambda: bytes(1000 - 33))
        assert_no_growth(keeper, limit=1000)
        self.assertIn("the limit is 999 B a run", self.failure(keeper, limit=999))

    def test_a_cache_that_fills_up_in_the_warm_up(self):
        filled = {}

        def fill():
            if len(filled) < 20:
                filled[len(filled)] = bytes(100)

        assert_no_growth(fill, warmup=20)
        assert_no_growth(fill, warmup=0)

    def test_filters(self):
        keeper = Keeper(object)
        assert_no_growth(keeper, filters=[ctracemalloc.Filter(False, __file__)])
        self.failure(keeper, filters=[ctracemalloc.Filter(True, __file__)])

    def test_tracing_is_as_it_was(self):
        ctracemalloc.start(7)
        ctracemalloc.stop()
        assert_no_growth(lambda: None)
        self.assertEqual((ctracemalloc.is_tracing(), ctracemalloc.get_traceback_limit()), (False, 7))
        ctracemalloc.start(2, sample_interval=1000)
        ctracemalloc.stop()
        self.failure(Keeper(object))
        self.assertEqual((ctracemalloc.get_traceback_limit(), ctracemalloc.get_sample_interval()), (2, 1000))

    def test_an_error_of_the_function(self):
        with self.assertRaises(ZeroDivisionError):
            assert_no_growth(lambda: 1 // 0)
        self.assertFalse(ctracemalloc.is_tracing())

    def test_a_function_that_stops_the_tracing(self):
        for function in (ctracemalloc.stop, ctracemalloc.clear_traces):
            with self.assertRaisesRegex(RuntimeError, "has stopped the tracing or cleared the traces"):
                assert_no_growth(function, warmup=0)

    def test_what_cannot_be_checked(self):
        with self.assertRaisesRegex(TypeError, "coroutine function"):
            assert_no_growth(wait_a_moment)
        for option, value in (("warmup", -1), ("runs", 2), ("limit", -1), ("limit", float("nan"))):
            with self.assertRaisesRegex(ValueError, f"{option} must be at least"):
                assert_no_growth(lambda: None, **{option: value})
        ctracemalloc.start(sample_interval=1000)
        with self.assertRaisesRegex(ValueError, "a sample is traced"):
            assert_no_growth(lambda: None)


if __name__ == "__main__":
    unittest.main()


class OwnMemoryTests(ProgramTest):
    def test_nothing_of_its_own_is_shown(self):
        """Of what stays afterwards, in caches of the standard library as well."""
        path = self.write(
            "program.py",
            """
            import ctracemalloc
            ctracemalloc.start(5)
            KEPT = []
            try:
                ctracemalloc.assert_no_growth(lambda: KEPT.append(bytearray(1000)))
            except AssertionError:
                ctracemalloc.where(KEPT)
            ctracemalloc.display_top(key_type="filename", limit=100)
            """,
        )
        result = self.python(path)
        self.assertEqual(result.stderr, "")
        rows = [line.split()[-1] for line in result.stdout.splitlines() if "%  " in line and "size" not in line]
        self.assertEqual([os.path.basename(row) for row in rows], ["program.py"], result.stdout)
