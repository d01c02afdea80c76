"""Labels: each block has those of the context that allocated it, whatever runs in between."""

import unittest
from textwrap import dedent

from support import ScriptTest, needs

# Blocks of unique sizes, so that each trace is known by its size.
HELPERS = """
    import asyncio, contextvars, gc, itertools, random, sys, threading
    numbers = itertools.count(1000)
    held, expected = {}, {}
    def block(**labels):
        size = next(numbers)
        data = bytes(size - sys.getsizeof(b""))  # alone on its line
        held[size] = data
        expected[size] = {name: str(value) for name, value in labels.items()}
        return size
    def check():
        snapshot = tm.take_snapshot()
        line = tm.Filter(True, __file__, block.__code__.co_firstlineno + 2)
        found = {trace.size: trace.labels for trace in snapshot.filter_traces([line]).traces if trace.size >= 1000}
        assert found == expected, [(s, found.get(s), expected[s]) for s in expected if found.get(s) != expected[s]][:10]
        assert not snapshot.losses or tm.get_sample_interval(), snapshot.losses
"""


class LabelTest(ScriptTest):
    def check_labels(self, script, **keywords):
        self.check(dedent(HELPERS) + dedent(script), **keywords)

    def test_blocks_and_nesting(self):
        self.check_labels("""
            for nframe in (1, 5):
                tm.start(nframe)
                block()
                with tm.labels(a=1):
                    block(a=1)
                    with tm.labels(b=2):
                        block(a=1, b=2)
                        with tm.labels(a=3):
                            block(a=3, b=2)
                    block(a=1)
                    [float(n) for n in range(1000)]
                    block(a=1)
                block()
                check()
                tm.stop()
                held.clear(); expected.clear()
            print("good")
            """)

    def test_random_programs(self):
        """Contexts that take turns: the same code, sizes and tracebacks, with labels that enter and leave in any order."""
        self.check_labels("""
            def step(state, random):
                what = random.randrange(10)
                if what < 2 and len(state) < 5:
                    own = tm.labels(**{random.choice("abc"): random.randrange(40)})
                    own.__enter__()
                    state.append(own)
                elif what < 4 and state:
                    state.pop(random.randrange(len(state))).__exit__(None, None, None)
                elif what < 5:
                    tuple([float(n) for n in range(20)])  # from the free lists
                pairs = {}
                for own in state:
                    pairs |= own._pairs
                assert tm.current_labels() == pairs, (tm.current_labels(), pairs)
                if what < 9:
                    block(**pairs)
                elif held:
                    size = random.choice(list(held))
                    del held[size], expected[size]
            for seed in range(6):
                chosen = random.Random(seed)
                tm.start(1 + seed % 2 * 7)
                contexts = [(contextvars.Context(), []) for _ in range(5)]
                for n in range(3000):
                    context, state = chosen.choice(contexts)
                    context.run(step, state, chosen)
                    if n % 500 == 0:
                        check()
                    if n == 1500:
                        tm.clear_traces(); held.clear(); expected.clear()
                check()
                tm.stop()
                held.clear(); expected.clear()
            print("good")
            """)

    def test_tasks(self):
        self.check_labels("""
            async def inner(n):
                await asyncio.sleep(0)
                block(task=n)
            async def task(n):
                block()
                with tm.labels(task=n):
                    for _ in range(5):
                        block(task=n)
                        await asyncio.sleep(0)
                        await inner(n)
                        await asyncio.create_task(inner(n))
                    await asyncio.to_thread(block, task=n)
                    await asyncio.get_running_loop().run_in_executor(None, block)
                block()
            async def main():
                await asyncio.gather(*(task(n) for n in range(20)))
            tm.start(5)
            asyncio.run(main())
            check()
            print("good")
            """)

    @needs("uvloop")
    def test_uvloop(self):
        self.check_labels("""
            import uvloop
            async def task(n):
                with tm.labels(task=n):
                    for _ in range(5):
                        block(task=n)
                        await asyncio.sleep(0.001)
            async def main():
                await asyncio.gather(*(task(n) for n in range(20)))
            tm.start(3)
            uvloop.run(main())
            check()
            print("good")
            """)

    @needs("gevent")
    def test_gevent(self):
        self.check_labels("""
            import gevent
            def task(n):
                block()
                with tm.labels(task=n):
                    for _ in range(20):
                        block(task=n)
                        gevent.sleep(0)
                        block(task=n)
                block()
            tm.start(3)
            gevent.joinall([gevent.spawn(task, n) for n in range(30)])
            block()
            check()
            print("good")
            """)

    @needs("greenlet")
    def test_greenlets(self):
        self.check_labels("""
            from greenlet import greenlet, getcurrent
            main = getcurrent()
            def task(n):
                with tm.labels(task=n):
                    for _ in range(20):
                        block(task=n)
                        main.switch()
                        block(task=n)
            tm.start(3)
            tasks = [greenlet(task) for _ in range(30)]
            for turn in range(21):
                for n, each in enumerate(tasks):
                    with tm.labels(main=turn):
                        each.switch(n) if turn == 0 else each.switch()
                        block(main=turn)
            check()
            print("good")
            """)

    def test_threads(self):
        self.check_labels("""
            lock = threading.Lock()
            def work(n):
                with tm.labels(thread=n):
                    for _ in range(300):
                        with lock:
                            block(thread=n)
                with lock:
                    block()
            sys.setswitchinterval(1e-5)
            tm.start(4)
            with tm.labels(main=1):
                threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
                if getattr(sys.flags, "thread_inherit_context", 0):
                    raise SystemExit("a thread inherits the labels here: another test is needed")
                [thread.start() for thread in threads]
                [thread.join() for thread in threads]
                block(main=1)
            check()
            print("good")
            """)

    def test_decorators(self):
        self.check_labels("""
            @tm.labels(kind="function")
            def function():
                return block(kind="function")
            @tm.labels(kind="generator")
            def generator():
                got = []
                try:
                    while True:
                        block(kind="generator")
                        got.append((yield len(got)))
                except KeyError:
                    block(kind="generator")
                    yield "thrown"
                finally:
                    block(kind="generator")
                return got
            @tm.labels(kind="coroutine")
            async def coroutine(n):
                block(kind="coroutine")
                await asyncio.sleep(0)
                return block(kind="coroutine")
            @tm.labels(kind="async generator")
            async def async_generator():
                try:
                    while True:
                        block(kind="async generator")
                        await asyncio.sleep(0)
                        yield tm.current_labels()
                finally:
                    block(kind="async generator")
            async def main():
                await asyncio.gather(*(coroutine(n) for n in range(5)))
                made = async_generator()
                async for labels in made:
                    assert labels == {"kind": "async generator"} and tm.current_labels() == {}
                    block()
                    if next(numbers) > 1200:
                        break
                await made.aclose()
            tm.start(2)
            function()
            one, two = generator(), generator()
            for made in (one, two, one, two):
                next(made)
                block()
            assert one.send("x") == 2 and one.throw(KeyError()) == "thrown"
            try:
                next(one)
            except StopIteration as stop:
                assert stop.value == [None, "x"], stop.value
            two.close()
            asyncio.run(main())
            assert generator.__name__ == "generator" and coroutine.__wrapped__
            check()
            print("good")
            """)

    def test_elsewhere_entered(self):
        """Left in another context than it was entered in, as by an asynchronous generator that the loop finalizes: no error."""
        self.check_labels("""
            tm.start()
            own, other = tm.labels(a=1), tm.labels(b=2)
            one, two = contextvars.Context(), contextvars.Context()
            one.run(own.__enter__)
            two.run(other.__enter__)
            two.run(own.__exit__, None, None, None)
            two.run(block, b=2)
            one.run(block, a=1)
            one.run(own.__exit__, None, None, None)
            one.run(block)
            check()
            print("good")
            """)

    def test_variables_that_others_set(self):
        """As asgiref does, which copies all variables of one context into another: nobody tells the extension."""
        self.check_labels("""
            def inner(entered):
                own = tm.labels(inner=1)
                own.__enter__()
                entered.append(own)
                block(outer=1, inner=1)
            def copy(context):
                for variable in context:
                    variable.set(context[variable])
            for interval in ({}, {"sample_interval": 1}):
                tm.start(3, **interval)
                entered = []
                with tm.labels(outer=1):
                    block(outer=1)
                    before = contextvars.copy_context()
                    context = contextvars.copy_context()
                    context.run(inner, entered)
                    for _ in range(100):  # addresses are used again
                        copy(context)
                        block(outer=1, inner=1)
                        copy(before)
                        block(outer=1)
                    copy(context)
                    entered[0].__exit__(None, None, None)
                    block(outer=1)
                block()
                check()
                tm.stop()
                held.clear(); expected.clear()
            print("good")
            """)

    def test_marks(self):
        self.check_labels("""
            tm.start()
            own = tm.labels(a=1)
            block()
            with own:
                block(a=1)
                tm.mark("one")
                block(a=1, mark="one")
                with tm.labels(b=2):
                    block(a=1, b=2, mark="one")
                    tm.mark("two")
                    block(a=1, b=2, mark="two")
                with tm.labels(mark="mine"):
                    block(a=1, mark="mine")
            block(mark="two")
            tm.clear_traces(); held.clear(); expected.clear()
            block(mark="two")
            thread = threading.Thread(target=block, kwargs={"mark": "two"})
            thread.start(); thread.join()
            tm.mark(None)
            block()
            check()
            born = tm.take_snapshot().filter_traces([tm.LabelFilter(True, "mark", "two")])
            assert {size for size in expected if expected[size]} <= {trace.size for trace in born.traces}
            print("good")
            """)

    def test_a_million_requests(self):
        """They take no memory, and the few that leave blocks behind are known by their numbers."""
        self.check_labels("""
            tm.start(3)
            def request(n):
                with tm.labels(route="/" + str(n % 3), request=n):
                    lists = [[n] for _ in range(3)]
                    if n < 3:
                        kept.append(lists)
                    if n % 50_000 == 0:
                        block(route="/" + str(n % 3), request=n)
            import os
            number, kept = 200_000, []
            for n in range(number // 10):
                request(n)
            before = tm.get_tracemalloc_memory()
            for n in range(number // 10, number):
                request(n)
            grown = tm.get_tracemalloc_memory() - before
            # A sanitizer gives freed addresses out again only after many others, so the map of addresses grows.
            assert grown < 300_000 or "CTM_SANITIZED" in os.environ, grown
            check()
            rows = {s.traceback[0].filename for s in tm.take_snapshot().statistics("label:request")}
            assert {str(n) for n in range(0, number, 50_000)} < rows and len(rows) < 20, rows
            here = tm.Filter(True, __file__, request.__code__.co_firstlineno + 2)
            rows = tm.take_snapshot().filter_traces([here]).statistics("label:route")
            lists = {row.traceback[0].filename: row.allocated_count for row in rows}
            assert set(lists) == {"/0", "/1", "/2"} and sum(lists.values()) >= 3 * number, lists
            assert max(lists.values()) - min(lists.values()) <= 100, lists
            print("good")
            """)

    def test_too_many(self):
        self.check("""
            import asyncio
            tm.start()
            held = []
            async def request(n):
                with tm.labels(request=n):
                    held.append(bytes(1000))
                    await asyncio.sleep(0)
            async def main():
                await asyncio.gather(*(request(n) for n in range(6000)))
            asyncio.run(main())
            snapshot = tm.take_snapshot()
            [loss] = snapshot.losses
            assert loss.kind == "labels" and loss.count > 1000, loss
            counts = {}
            for trace in snapshot.traces:
                if trace.size == 1033:
                    name = trace.labels["request"]
                    counts[name] = counts.get(name, 0) + 1
            assert sum(counts.values()) == 6000 and counts.pop("other") == loss.count, loss
            assert set(counts.values()) == {1}
            print("good")
            """)

    def test_before_and_after_tracing(self):
        self.check_labels("""
            with tm.labels(a=1):
                tm.start()
                block(a=1)
                tm.stop(); held.clear(); expected.clear()
                block(a=1)
                held.clear(); expected.clear()
                tm.start(5)
                block(a=1)
            block()
            check()
            print("good")
            """)

    def test_samples(self):
        self.check_labels("""
            tm.start(sample_interval=1)
            with tm.labels(a=1):
                block(a=1)
            block()
            check()
            print("good")
            """)

    def test_sub_interpreters_and_forks(self):
        self.check_labels("""
            import os
            tm.start(3)
            with tm.labels(a=1):
                child = os.fork()
                block(a=1)
                if child == 0:
                    with tm.labels(child=1):
                        block(a=1, child=1)
                    check()
                    os._exit(7)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            check()
            print("good")
            """)

    def test_refusals(self):
        self.check("""
            for pairs in ({"": 1}, {"k" * 256: 1}, {"k": "v" * 1025}, {"k": "a\\0b"}):
                try:
                    with tm.labels(**pairs):
                        pass
                except ValueError as error:
                    assert "label" in str(error), error
                else:
                    raise AssertionError(pairs)
            tm.start()
            with tm.labels(name="\\udcff", other="\\u20ac"):
                kept = bytes(5000)
            [trace] = [trace for trace in tm.take_snapshot().traces if trace.size == 5033]
            assert trace.labels == {"name": "\\udcff", "other": "\\u20ac"}, trace.labels
            assert repr(tm.labels(a=1)) == "ctracemalloc.labels(a='1')"
            for wrong in (lambda: tm.mark(5), lambda: tm._ctracemalloc._labels_set(5)):
                try:
                    wrong()
                except TypeError:
                    pass
                else:
                    raise AssertionError(wrong)
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
