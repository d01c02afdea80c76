"""Tracebacks against the interpreter's own view of the stack, along random paths through all kinds of calls."""

import sys
import tempfile
import unittest
from pathlib import Path

from support import LONG, ScriptTest

STEPS = 60_000 if LONG else 6_000
PROGRAM = """
    import itertools, random, sys, threading

    try:
        import greenlet
    except ImportError:
        greenlet = None

    rng = random.Random(SEED)
    looked = 0
    sizes = itertools.count(60_000)
    cleared = False
    space = globals()

    def expected(frame):
        frames = []
        while frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno or 0))
            frame = frame.f_back
        return frames

    def look(block, frame, line):
        # `block` was allocated by `frame`, which now calls this, at `line`.
        global looked
        looked += 1
        frames = expected(frame)
        frames[0] = (frames[0][0], line)
        found = tm.get_object_traceback(block)
        if found is None and cleared and type(block) is list:
            return  # reused from a free list, and not traced since clear_traces()
        kept = [(f.filename, f.lineno) for f in found]
        assert kept == frames[:NFRAME][::-1], (kept, frames[:NFRAME][::-1])

    def count(frame, size):
        # `frame` allocated a block of a unique size: only a snapshot has its total.
        same = [t for t in tm.take_snapshot().traces if t.size == size]
        totals = [t.traceback.total_nframe for t in same]
        assert totals == [len(expected(frame))], (same, len(expected(frame)))

    def leaf(n):
        frame = sys._getframe()
        block = bytearray(n % 7 * 40); line = frame.f_lineno
        look(block, frame, line)
        block = (n * 1.5, n)[0]
        block = [n, block]; line = frame.f_lineno
        look(block, frame, line)
        if looked % 16 == 0:
            size = next(sizes)  # not `looked`: a finalizer may have run in between, and counted too
            block = bytes(size - 33)
            count(frame, size)

    def plain(n):
        leaf(n)
        step(n)
        leaf(n)

    def many_locals(n):
        a = b = c = d = e = f = g = h = i = j = k = l = n
        step(n)
        return (a, b, c, d, e, f, g, h, i, j, k, l)

    class Made:
        def __init__(self, n):
            leaf(n)
            step(n)

    class Small:
        __slots__ = ("n",)
        def __init__(self, n):
            self.n = n
            step(n)

    def makes(n):
        Made(n)
        Small(n)

    def numbers(n):
        for k in range(3):
            leaf(n)
            step(n)
            yield k

    def loops(n):
        for k in numbers(n):
            leaf(k)

    def delegates(n):
        yield from numbers(n)
        leaf(n)
        yield

    def through(n):
        list(delegates(n))

    def catching(n):
        while True:
            try:
                yield n
            except KeyError:
                leaf(n)
                step(n)

    def outer(n):
        yield from catching(n)

    def throws(n):
        iterator = outer(n)
        next(iterator)
        leaf(n)
        iterator.throw(KeyError)
        leaf(n)
        iterator.close()

    async def waits(n):
        leaf(n)
        if n % 3:
            await waits(n // 2)
        step(n)
        leaf(n)

    def drives(n):
        try:
            waits(n).send(None)
        except StopIteration:
            leaf(n)

    def callbacks(n):
        list(map(plain, [n]))
        sorted([n, n + 1], key=lambda k: (leaf(k), k)[1])

    class Proxy:
        @property
        def value(self):
            return step(1)
        def __getattr__(self, name):
            leaf(len(name))
            return step(2)
        def __lt__(self, other):
            leaf(3)
            return True
        def __del__(self):
            leaf(4)

    def attributes(n):
        proxy = Proxy()
        proxy.value, proxy.other, proxy < 1, [proxy, proxy].sort()

    def compiled(n):
        body = "    leaf(n)\\n    step(n)\\n    leaf(n)\\n"
        source = "def made(n):\\n" + "\\n" * (n % 4) + body + "made(%d)" % n
        exec(compile(source, "<made>", "exec"), space)
        eval("(leaf(1), step(2))", space)

    def recursive(n):
        if n > 0:
            recursive(n - 1)
        leaf(n)

    def deep(n):
        recursive(n % 90)

    def fails(n):
        try:
            try:
                step(n)
                leaf(n)
                {}[n]
            finally:
                leaf(n)
        except KeyError:
            leaf(n)

    def in_thread(n):
        thread = threading.Thread(target=top, args=(3,))
        thread.start()
        leaf(n)
        thread.join()

    def switches(n):
        if greenlet is None:
            return
        def other():
            leaf(n)
            main.switch()
            step(n)
            leaf(n)
        main = greenlet.getcurrent()
        child = greenlet.greenlet(other)
        child.switch()
        leaf(n)
        child.switch()

    # The same long chain of calls from different callers: nothing in it allocates, and its frames have the same addresses.
    def way_5(n): return leaf(n)
    def way_4(n): return way_5(n)
    def way_3(n): return way_4(n)
    def way_2(n): return way_3(n)
    def way_1(n): return way_2(n)
    def left(n): return way_1(n)
    def right(n): return way_1(n)
    def longer(n): return left(n)
    class Way:
        def __init__(self, n): way_1(n)

    def twins(n):
        for _ in range(5):
            left(n); right(n)
            left(n)
            longer(n); Way(n); longer(n)
            right(n)

    # Frames that end by an exception, through every kind of call, and then others at their addresses, from other callers.
    class Away(Exception):
        pass

    def sink_4(n):
        leaf(n)
        raise Away
    def sink_3(n): return sink_4(n)
    def sink_2(n): return sink_3(n)
    def sink_1(n): return sink_2(n)
    def sink(n): return sink_1(n)
    def same(*args): return args

    class Hop:
        prop = property(lambda self: sink(1))
        def __getitem__(self, n): return sink(n)
        def __call__(self, n): return sink(n)
        def method(self, n, *, other=None): return sink(n)
    class Overridden:
        def __getattribute__(self, name): return sink(len(name))
    class Raises:
        def __init__(self, n): sink(n)
    hop, overridden, pair = Hop(), Overridden(), (0, 1)

    def yields(n):
        yield n
        sink(n)
    async def awaits(n):
        await awaited(n)
    async def awaited(n):
        sink(n)

    def by_call(n): return same(1, 2, sink(n))
    def by_property(n): return same(1, 2, hop.prop)
    def by_property_call(n): return same(1, 2, hop.prop(), 3)
    def by_item(n): return same(1, 2, hop[n])
    def by_object(n): return same(1, hop(n))
    def by_method(n): return same(1, hop.method(n, other=2))
    def by_attribute(n): return same(1, 2, overridden.way)
    def by_attribute_call(n): return same(1, 2, overridden.way())
    def by_class(n): return same(1, Raises(n))
    def by_args(n): return same(1, sink(*(n,)), 2)
    def by_kwargs(n): return same(1, sink(**{"n": n}), 2)
    def by_generator(n): return same(1, [k for k in yields(n)])
    def by_coroutine(n): return same(1, awaits(n).send(None))
    def by_c(n): return same(1, list(map(sink, (n,))))
    def by_loops(n):
        gens = yields(n)
        for a in pair:
            for b in pair:
                try:
                    for c in gens: pass
                except: gens = yields(n)
        sink(n)

    HOPS = [by_call, by_property, by_property_call, by_item, by_object, by_method, by_attribute, by_attribute_call, by_class,
            by_args, by_kwargs, by_generator, by_coroutine, by_c, by_loops]

    def lower(way, n):
        try: way(n)
        except Away: pass

    def left_by_exceptions(n):
        way = HOPS[n % len(HOPS)]
        for _ in range(3):
            try: way(n)
            except Away: pass
            try: way(n)
            except: pass
            lower(way, n)
            lower(way, n)

    KINDS = [left_by_exceptions, twins, plain, many_locals, makes, loops, through, throws, drives, callbacks, attributes,
             compiled, deep, fails]
    RARE = [in_thread, switches]
    depth = threading.local()

    def step(n):
        left = getattr(depth, "left", 0)
        if left > 0 and looked < STEPS:
            depth.left = rng.randrange(left)
            kinds = RARE if rng.random() < 0.03 else KINDS
            rng.choice(kinds)(rng.randrange(1000))
            depth.left = left

    def top(limit):
        depth.left = limit
        plain(limit)

    tm.start(NFRAME)
    kept = [[] for _ in range(300)]  # a block from before start is not traced when it is reused
    turn = 0
    while looked < STEPS:
        turn += 1
        top(12)
        if turn % 50 == 0:
            tm.clear_traces()
            cleared = True
    print("good")
"""


# Runs as sitecustomize, before ctracemalloc is imported.
USE_ALL_WATCHERS = """
import _testcapi
taken = 0
try:
    while True:
        _testcapi.add_code_watcher(taken % 2)
        taken += 1
except RuntimeError:
    assert taken > 0
"""
NO_WATCHER_IS_FREE = """
    import _testcapi
    try: _testcapi.add_code_watcher(0)
    except RuntimeError: pass
    else: raise AssertionError("a listener is left")
"""


class StackTest(ScriptTest):
    def check_paths(self, nframe, seed):
        text = PROGRAM.replace("SEED", str(seed)).replace("NFRAME", str(nframe)).replace("STEPS", str(STEPS))
        self.check(text, timeout=600)

    def test_all_code_watchers_in_use(self):
        """Other tools use all code watchers: then nothing about the stack may be cached."""
        if sys.version_info < (3, 12):
            self.skipTest("3.11 has no listeners that could all be taken")
        try:
            import _testcapi
        except ImportError:
            self.skipTest("this Python comes without _testcapi")
        self.assertTrue(hasattr(_testcapi, "add_code_watcher"))
        text = PROGRAM.replace("SEED", "5").replace("NFRAME", "25").replace("STEPS", str(STEPS // 3))
        self.check(NO_WATCHER_IS_FREE + text, timeout=600, env={"PYTHONPATH": self.folder_with_hook()})

    def folder_with_hook(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        Path(folder.name, "sitecustomize.py").write_text(USE_ALL_WATCHERS, encoding="utf-8")
        return folder.name

    def test_another_thread_state(self):
        self.check(
            """
            import ctmfixture
            tm.start(5)
            def work(size):
                held = bytearray(100)
                address = ctmfixture.in_other_state(size)
                more = bytearray(100); line = sys._getframe().f_lineno
                assert tm.get_object_traceback(more)[-1].lineno == line
                return address
            for turn in range(5):
                address = work(77_777)
                found = [t.traceback for t in tm.take_snapshot().traces if t.size == 77_777]
                assert [[f.filename for f in t] for t in found] == [["<unknown>"]], found
                ctmfixture.free(2, address)
            print("good")
            """
        )

    def test_one_frame(self):
        self.check_paths(1, 1)

    def test_few_frames(self):
        self.check_paths(3, 2)

    def test_25_frames(self):
        self.check_paths(25, 3)

    def test_whole_stack(self):
        self.check_paths(65535, 4)


if __name__ == "__main__":
    unittest.main()
