"""Scopes: each has the blocks that are allocated in its context, exactly, whatever runs in between."""

import unittest
from textwrap import dedent

from support import ScriptTest, needs

# Blocks of unique sizes, so that each trace is known by its size. The model adds up for each scope around.
HELPERS = """
    import asyncio, contextvars, itertools, random
    numbers = itertools.count(1000)
    around = contextvars.ContextVar("around", default=())
    process = []
    models = {}
    held = {}
    class Model:
        def __init__(self, own, within):
            self.own, self.sizes, self.allocated, self.peak, self.live = own, set(), 0, 0, 0
            self.at_peak, self.at_end = set(), None
            self.within = within and [within[-1], *within[-1].within]  # its blocks are theirs, too
    def models_now():
        now = [models[own] for own in (*around.get()[-1:], *process[-1:])]
        return now + [other for model in now for other in model.within]
    def block():
        size = next(numbers)
        data = bytes(size - sys.getsizeof(b""))  # alone on its line
        mine = models_now()
        held[size] = data, mine
        for model in mine:
            model.sizes.add(size)
            model.live += size
            if model.at_end is None:
                model.allocated += size
                if model.live > model.peak:
                    model.peak, model.at_peak = model.live, set(model.sizes)
        return size
    def drop(size):
        for model in held.pop(size)[1]:
            model.sizes.discard(size)
            model.live -= size
    def enter(**keywords):
        own = tm.scope(**keywords)
        own.__enter__()
        within = process if keywords.get("whole_process") else around.get()
        models[own] = Model(own, [models[one] for one in within])
        if keywords.get("whole_process"):
            process.append(own)
        else:
            around.set((*around.get(), own))
        return own
    def leave(own, *error):
        own.__exit__(*(error or (None, None, None)))
        models[own].at_end = set(models[own].sizes)
        if own in process:
            process.remove(own)
        else:
            around.set(tuple(one for one in around.get() if one is not own))
    def known(snapshot):
        line = tm.Filter(True, __file__, block.__code__.co_firstlineno + 2)
        return sorted(trace.size for trace in snapshot.filter_traces([line]).traces if trace.size >= 1000)
    def check(own):
        model = models[own]
        assert known(own.live_snapshot()) == sorted(model.sizes), own
        at_end = model.sizes if model.at_end is None else model.at_end
        assert known(own.end_snapshot()) == sorted(at_end), own
        outside = contextvars.Context()  # asking takes memory, which is in no scope but those of the process
        if not process:  # and takes objects out of free lists, which were the scope's
            live, snapshot, after = outside.run(lambda: (own.live, own.live_snapshot(), own.live))
            assert live >= sum(trace.size for trace in snapshot.traces) >= after >= live - 500, own
        peak, snapshot = outside.run(lambda: (own.peak, own.peak_snapshot()))
        assert peak == sum(trace.size for trace in snapshot.traces) or process, own
        assert model.peak <= own.peak and model.allocated <= own.allocated and own.churn >= 0, own
        if model.at_end is not None:
            assert own.growth == sum(trace.size for trace in own.end_snapshot().traces), own
            assert own.growth_blocks == len(own.end_snapshot().traces), own
        if own.peak - model.peak < 1000:  # no other memory decides where the peak is
            assert known(own.peak_snapshot()) == sorted(model.at_peak), own
"""


class ScopeTest(ScriptTest):
    def check_scopes(self, script, **keywords):
        self.check(dedent(HELPERS) + dedent(script), **keywords)

    def test_figures(self):
        self.check("""
            def main():  # names of a module are in a dict that grows
                tm.start()
                kept = [None] * 10
                with tm.scope("nothing") as nothing:
                    pass
                with tm.scope("outer") as outer:
                    a = BYTE * 100_000
                    with tm.scope() as inner:
                        b = BYTE * 50_000
                        del a
                        kept[0] = BYTE * 10_000
                    growing = inner.growth, inner.live
                    del b
                    kept[1] = BYTE * 20_000
                sizes = {n: sys.getsizeof(b"") + n for n in (100_000, 50_000, 10_000, 20_000)}
                assert nothing.peak == nothing.growth == nothing.allocated == nothing.allocated_blocks == 0, nothing
                def check():
                    assert inner.allocated == sizes[50_000] + sizes[10_000] and inner.allocated_blocks == 2, inner
                    assert inner.growth == inner.peak == inner.allocated and inner.churn == 0, inner
                    extra = outer.growth - sizes[10_000] - sizes[20_000]  # `inner` itself, which is there yet, and `growing`
                    assert 0 < extra < 2000 and growing == (inner.growth, inner.growth), (extra, growing)
                    churn = outer.churn - sizes[100_000] - sizes[50_000]
                    assert 0 <= churn < 4000 and outer.allocated == outer.churn + outer.growth, outer
                    assert 0 <= outer.peak - sizes[100_000] - sizes[50_000] < 2000, outer
                    assert sorted(large(outer.peak_snapshot())) == [sizes[50_000], sizes[100_000]]
                    top = outer.top(1)
                    assert [row.size for row in top] == [sizes[100_000]] and "100_000" in top[0].traceback.format()[1], top
                    diff = outer.diff()
                    grown = [(row.size_diff, row.count_diff) for row in diff[:2]]
                    assert grown == [(sizes[20_000], 1), (sizes[10_000], 1)], diff
                def large(snapshot):
                    return [trace.size for trace in snapshot.traces if trace.size > 5000]
                check()
                assert 0 <= outer.growth - outer.live < 2000, outer.live  # small objects were freed, or reused by others
                kept[0] = None
                assert 0 <= outer.growth - sizes[10_000] - outer.live < 2000 and large(outer.live_snapshot()) == [sizes[20_000]]
                kept[1] = None
                assert outer.live < 2000 and inner.live == inner.live_blocks == 0, outer.live
                check()
                assert "peak 14" in repr(outer) and "'outer'" in repr(outer), outer
            main()
            print("good")
            """)

    def test_random_programs(self):
        """Contexts that take turns: scopes that begin and end in any order, and blocks that are freed anywhere."""
        self.check_scopes("""
            def step(state, random):
                what = random.randrange(12)
                if what < 2 and len(state) < 5:
                    state.append(enter(name=str(what)))
                elif what < 3 and state:
                    leave(state.pop(random.randrange(len(state))), KeyError, KeyError(), None)
                elif what < 4:
                    with tm.labels(number=random.randrange(1000)):
                        block()
                elif what < 5:
                    tuple([float(n) for n in range(20)])  # from the free lists
                elif what < 9:
                    block()
                elif held:
                    drop(random.choice(list(held)))
            for seed in range(4):
                chosen = random.Random(seed)
                tm.start(1 + seed % 2 * 7)
                contexts = [(contextvars.Context(), []) for _ in range(4)]
                for n in range(1500):
                    context, state = chosen.choice(contexts)
                    context.run(step, state, chosen)
                    if chosen.randrange(100) == 0 and len(process) < 3:
                        enter(whole_process=True)
                    elif chosen.randrange(100) == 0 and process:
                        leave(chosen.choice(process))
                    if chosen.randrange(60) == 0 and models:
                        check(chosen.choice(list(models)))
                    if chosen.randrange(30) == 0:  # nobody asks for some of those that have ended
                        for own in [own for own in models if models[own].at_end is not None][:3]:
                            del models[own]
                for own in list(models):
                    check(own)
                for context, state in contexts:
                    context.run(lambda: [leave(own) for own in state])
                for own in list(process):
                    leave(own)
                for own in list(models):
                    check(own)
                tm.stop()
                held.clear(); models.clear()
            print("good")
            """)

    def test_what_the_package_allocates_for_itself_is_in_none(self):
        self.check("""
            from ctracemalloc._exempt import own_memory
            def own():
                floats = [float(n) for n in range(100)]  # from the free list, too
                with own_memory():
                    return BYTE * 100_000, [float(n) for n in range(1000)], {n: BYTE * 100 * n for n in range(1000)}
            tm.start(5)
            own()
            with tm.scope(whole_process=True), tm.labels(a="b"):
                pass  # modules and types are made
            with tm.scope(whole_process=True) as all, tm.scope("own") as mine, tm.labels(a="b"):
                kept = own()
            for one in (all, mine):
                assert 0 < one.allocated < 20_000 and one.growth < 10_000 and one.peak < 10_000, one
            labelled = tm.take_snapshot().filter_traces([tm.LabelFilter(True, "a", "b")])
            assert sum(trace.size for trace in labelled.traces) < 5000
            print("good")
            """)

    def test_the_sum_is_the_process(self):
        self.check("""
            import random
            def main():  # names of a module are in a dict that grows
                tm.start(3)
                kept, chosen = [], random.Random(1)
                older = [bytes(100) for _ in range(100)]
                with tm.scope(whole_process=True) as all:
                    with tm.scope("one") as one:
                        kept += [bytes(chosen.randrange(1000)) for _ in range(500)]
                    with tm.scope("two") as two:
                        kept += [bytes(chosen.randrange(1000)) for _ in range(500)]
                        del kept[100:700:3], older[::2]
                    thread = threading.Thread(target=lambda: kept.extend(bytes(500) for _ in range(200)))
                    thread.start(); thread.join()
                    rest = [bytes(200) for _ in range(50)]
                snapshot = all.end_snapshot()
                parts = [part.live_snapshot() for part in (one, two)]
                whole = {}
                for trace in snapshot.traces:
                    whole[trace.traceback, trace.size] = whole.get((trace.traceback, trace.size), 0) + 1
                for part in parts:
                    for trace in part.traces:
                        whole[trace.traceback, trace.size] -= 1
                assert min(whole.values()) >= 0
                left = sum(key[1] * count for key, count in whole.items())
                assert left + one.live + two.live == all.growth, (left, all)
                assert 0 <= two.growth - two.live < 500 and one.live < one.growth - 20_000
                assert left > 200 * 500 + 50 * 200
            main()
            print("good")
            """)

    def test_tasks(self):
        self.check_scopes("""
            async def inner():
                await asyncio.sleep(0)
                block()
            async def task(n):
                block()
                own = enter(name=str(n))
                for _ in range(5):
                    block()
                    await asyncio.sleep(0)
                    await inner()
                    await asyncio.create_task(inner())
                await asyncio.to_thread(block)
                later = asyncio.create_task(inner())
                leave(own)
                check(own)
                await later
                check(own)
                block()
                return own
            async def main():
                return await asyncio.gather(*(task(n) for n in range(20)))
            tm.start(5)
            for own in asyncio.run(main()):
                check(own)
                assert len(known(own.end_snapshot())) == 16 and len(known(own.live_snapshot())) == 17
            print("good")
            """)

    @needs("uvloop")
    def test_uvloop(self):
        self.check_scopes("""
            import uvloop
            async def task(n):
                own = enter()
                for _ in range(5):
                    block()
                    await asyncio.sleep(0.001)
                leave(own)
                return own
            async def main():
                return await asyncio.gather(*(task(n) for n in range(20)))
            tm.start(3)
            for own in uvloop.run(main()):
                check(own)
            print("good")
            """)

    @needs("gevent")
    def test_gevent(self):
        self.check_scopes("""
            import gevent
            def task(n):
                block()
                own = enter()
                for _ in range(20):
                    block()
                    gevent.sleep(0)
                leave(own)
                return own
            tm.start(3)
            tasks = [gevent.spawn(task, n) for n in range(30)]
            gevent.joinall(tasks)
            for each in tasks:
                check(each.value)
                assert len(known(each.value.end_snapshot())) == 20
            print("good")
            """)

    def test_threads(self):
        """In scopes of their own, and each frees what another one has allocated."""
        self.check("""
            import itertools
            if getattr(sys.flags, "thread_inherit_context", 0):
                raise SystemExit("a thread inherits the scope here: another test is needed")
            kept, found = [], []
            def work(n):
                with tm.scope(str(n)) as own:
                    mine = [bytes(1000 + n) for _ in range(300)]
                    kept.extend(mine)
                    for _ in range(100):
                        kept.pop(0)
                found.append((n, own))
            sys.setswitchinterval(1e-5)
            tm.start(4)
            with tm.scope("main") as main, tm.scope(whole_process=True) as all:
                threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
                [thread.start() for thread in threads]
                [thread.join() for thread in threads]
            size = sys.getsizeof(b"")
            live = {n: sum(trace.size == 1000 + n + size for trace in own.live_snapshot().traces) for n, own in found}
            assert sum(live.values()) == len(kept) == 1600, live
            for n, own in found:
                assert own.allocated >= 300 * (1000 + n + size), own
                assert all.allocated >= own.allocated and own.peak <= own.allocated
                assert sum(len(one) == 1000 + n for one in kept) == live[n]
            assert main.allocated < 100_000, main
            kept.clear()
            threads.clear()
            gc.collect()
            for n, own in found:
                assert own.live < 3000, own.live
            print("good")
            """)

    def test_decorators(self):
        self.check("""
            import asyncio
            seen = []
            @tm.scope("function", on_exit=seen.append)
            def function(n):
                return BYTE * n
            @tm.scope("generator")
            def generator():
                kept = []
                while True:
                    kept.append(BYTE * 10_000)
                    yield len(kept)
            @tm.scope("coroutine")
            async def coroutine(n):
                data = BYTE * n
                await asyncio.sleep(0)
                return data
            @tm.scope("asynchronous generator")
            async def asynchronous():
                data = BYTE * 30_000
                yield 1
                await asyncio.sleep(0)
                yield data
            async def main():
                found = await asyncio.gather(coroutine(5000), coroutine(7000))
                assert 7000 < coroutine.last_scope.peak < 9000, coroutine.last_scope
                kept = [item async for item in asynchronous()]
                assert 30_000 < asynchronous.last_scope.peak < 34_000 and asynchronous.last_scope.growth > 30_000
            tm.start()
            assert function.last_scope is None
            kept = function(4000), function(6000)
            assert [own.growth for own in seen] == [4000 + sys.getsizeof(b""), 6000 + sys.getsizeof(b"")], seen
            assert function.last_scope is seen[1] and seen[1].name == "function"
            made = generator()
            next(made)
            other = [BYTE * 100_000]
            next(made)
            assert generator.last_scope is None
            made.close()
            own = generator.last_scope
            assert 20_000 < own.peak < 25_000 and own.growth < 2000, own
            asyncio.run(main())
            try:
                tm.scope("fails")(lambda: 1 / 0)()
            except ZeroDivisionError:
                pass
            print("good")
            """)

    def test_tracing_is_as_before(self):
        self.check("""
            def deep(n):
                if n:
                    return deep(n - 1)
                with tm.scope("deep", nframe=9) as own:
                    kept.append(BYTE * 5000)
                return own
            kept = []
            tm.start(3)
            own = deep(5)
            assert tm.is_tracing() and tm.get_traceback_limit() == 3
            assert len(own.top(1, "traceback")[0].traceback) == 3
            tm.stop()
            own = deep(5)  # tracing is on only in it
            assert not tm.is_tracing() and own.growth == 5000 + sys.getsizeof(b"")
            assert len(own.top(1, "traceback")[0].traceback) == 7
            with tm.scope("outer") as outer:
                own = deep(1)
                assert tm.is_tracing()
                kept.append(BYTE * 3000)
            assert not tm.is_tracing()
            assert own.diff()[0].size_diff == 5000 + sys.getsizeof(b"") and outer.growth > 8000
            try:
                outer.live
            except RuntimeError as error:
                assert "tracing was stopped" in str(error), error
            else:
                raise AssertionError
            for others in (lambda: tm.start(), lambda: (tm.stop(), tm.start())):
                with tm.scope():
                    others()
                assert tm.is_tracing()  # somebody else wants it
                tm.stop()
            with tm.scope():
                tm.stop()
            assert not tm.is_tracing()
            with tm.scope() as own:
                tm.clear_traces()
            assert not tm.is_tracing()
            print("good")
            """)

    def test_tracing_of_threads(self):
        """Scopes in threads start tracing and stop it: none of them stops it below another, and each knows its figures."""
        self.check("""
            found = []
            def work():
                until = time.monotonic() + 1.5
                while time.monotonic() < until:
                    with tm.scope() as own:
                        kept = BYTE * 5000
                    found.append((own.growth, own.top(1)[0].size))
            threads = [threading.Thread(target=work) for _ in range(3)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            assert not tm.is_tracing() and len(found) > 100, len(found)
            size = 5000 + sys.getsizeof(b"")
            assert all(size <= growth < size + 2000 for growth, top in found), found[:9]
            print("good")
            """)

    def test_tracing_that_is_begun_anew(self):
        self.check("""
            first, second = tm.scope("first"), tm.scope("second")
            first.__enter__()
            tm.stop()
            second.__enter__()
            first.__exit__(None, None, None)
            assert tm.is_tracing()
            kept = BYTE * 5000
            second.__exit__(None, None, None)
            assert second.growth >= 5000 and not tm.is_tracing(), second
            with tm.scope("outer") as outer:
                for _ in range(20_000):
                    with tm.scope():
                        pass
            assert outer.growth < 20_000, outer
            print("good")
            """)

    def test_a_fork_while_threads_begin_scopes(self):
        self.check("""
            stop, scope = False, tm.scope  # imported before: CPython's locks of modules do not survive a fork
            def work():
                while not stop:
                    with scope():
                        pass
            sys.setswitchinterval(1e-5)
            thread = threading.Thread(target=work)
            thread.start()
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    with scope() as own:
                        kept = BYTE * 5000
                    os._exit(7 if own.growth >= 5000 else 8)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            stop = True
            thread.join()
            print("good")
            """)

    def test_no_copies(self):
        self.check("""
            import copy, pickle
            tm.start()
            with tm.scope() as own:
                for make in (copy.copy, copy.deepcopy, pickle.dumps):
                    try:
                        make(own)
                    except TypeError as error:
                        assert "cannot be copied" in str(error), error
                    else:
                        raise AssertionError(make)
            seen = []
            own = tm.scope(on_exit=seen.append)
            try:
                own.__exit__(None, None, None)
            except RuntimeError as error:
                assert "has not begun" in str(error), error
            else:
                raise AssertionError
            own.__enter__()
            own.__exit__(None, None, None)
            own.__exit__(None, None, None)
            assert seen == [own]
            print("good")
            """)

    def test_handing_on(self):
        """Each ends while the next one is open, in another context, in another thread, or of the process: none stays."""
        self.check("""
            import asyncio, contextvars
            tm.start()
            def hand_on(n):
                with tm.scope(), tm.labels(step=n % 3):
                    return contextvars.copy_context()
            def contexts(number):
                context = contextvars.Context()
                for n in range(number):
                    context = context.run(hand_on, n)
            def process(number):
                before = None
                for _ in range(number):
                    own = tm.scope(whole_process=True)
                    own.__enter__()
                    if before is not None:
                        before.__exit__(None, None, None)
                    before = own
                before.__exit__(None, None, None)
            def elsewhere(number):
                for _ in range(number):
                    own = tm.scope()
                    own.__enter__()
                    contextvars.Context().run(own.__exit__, None, None, None)
            for hand, number in ((contexts, 3000), (process, 600), (elsewhere, 3000)):
                hand(number)
                gc.collect()
                before = tm.get_tracemalloc_memory(), tm.get_traced_memory()[0]
                hand(number)
                gc.collect()
                tracer, traced = tm.get_tracemalloc_memory() - before[0], tm.get_traced_memory()[0] - before[1]
                assert tracer < 400_000 or "CTM_SANITIZED" in os.environ, (hand, tracer)
                assert traced < 50_000, (hand, traced)
            print("good")
            """)

    def test_emptied_between_sets(self):
        """A value that was seen without a scope is seen again in one, and then the tables are emptied."""
        self.check("""
            tm.start()
            for turn in range(20):
                with tm.labels(a=turn):
                    kept = BYTE * 100
                with tm.scope(), tm.labels(a=turn):
                    kept = BYTE * 100
                    for n in range(20):
                        with tm.labels(b=n):
                            kept = BYTE * 100
                    tm.clear_traces()
                    kept = BYTE * 100
                with tm.scope(whole_process=True), tm.labels(a=turn):
                    kept = BYTE * 100
                tm.mark(str(turn))
            tm.take_snapshot()
            print("good")
            """)

    def test_stop_and_clear_within(self):
        self.check("""
            for end in (tm.stop, tm.clear_traces, lambda: (tm.stop(), tm.start())):
                tm.start()
                with tm.scope("ended") as ended:
                    kept = BYTE * 5000
                figures = ended.peak, ended.growth, ended.allocated
                with tm.scope("open", whole_process=True) as open_, tm.scope("open") as own:
                    end()
                    more = BYTE * 6000
                for one in (open_, own):
                    for ask in (lambda: one.peak, lambda: one.growth, lambda: one.live, one.top, one.diff):
                        try:
                            ask()
                        except RuntimeError as error:
                            assert "known" in str(error), error
                        else:
                            raise AssertionError(ask)
                    assert "not known" in repr(one), one
                assert (ended.peak, ended.growth, ended.allocated) == figures
                try:
                    ended.top()
                except RuntimeError as error:
                    assert "not known" in str(error), error
                else:
                    raise AssertionError
                tm.start()
                with tm.scope("after") as after:
                    more = BYTE * 7000
                assert after.growth == 7000 + sys.getsizeof(b""), after
                tm.stop()
            print("good")
            """)

    def test_errors(self):
        self.check("""
            tm.start()
            own = tm.scope("mine")
            for ask in (lambda: own.peak, own.top, lambda: own.live):
                try:
                    ask()
                except RuntimeError as error:
                    assert "has not begun" in str(error), error
                else:
                    raise AssertionError
            try:
                with own:
                    kept = BYTE * 5000
                    raise KeyError("mine")
            except KeyError:
                pass
            assert own.growth >= 5000 and own.growth < 6000, own
            more = BYTE * 5000
            assert own.growth < 6000
            try:
                with own:
                    raise AssertionError
            except RuntimeError as error:
                assert "begun before" in str(error), error
            assert tm.current_labels() == {} and tm._ctracemalloc._labels_get() is None
            inner = tm._ctracemalloc
            for wrong in (lambda: inner._label_set({}, None, None, 5), lambda: inner._labels_enter({}, 1)):
                try:
                    wrong()
                except TypeError:
                    pass
                else:
                    raise AssertionError
            print("good")
            """)

    def test_deep(self):
        self.check("""
            tm.start()
            def down(n):
                with tm.scope() as own:
                    scopes.append(own)
                    kept.append(BYTE * 1000)
                    if n:
                        down(n - 1)
            scopes, kept = [None] * 0, []
            sys.setrecursionlimit(5000)
            down(700)
            sizes = [own.growth for own in scopes]
            assert sizes == sorted(sizes, reverse=True) and sizes[0] > 700 * 1000
            assert [own.growth_blocks >= 701 - n for n, own in enumerate(scopes)] == [True] * 701
            assert all(own.peak >= own.growth for own in scopes)
            scopes.clear()
            print("good")
            """)

    def test_many(self):
        """What is known of a hundred thousand scopes, each of which leaves blocks for a while, does not grow."""
        self.check("""
            tm.start(3)
            kept = [None] * 100
            def once(n):
                with tm.scope("request"), tm.labels(request=n):
                    kept[n % 100] = [bytes(100) for _ in range(3)]
            with tm.scope("program") as program:
                for n in range(20_000):
                    once(n)
                before = tm.get_tracemalloc_memory()
                for n in range(100_000):
                    once(n)
                grown = tm.get_tracemalloc_memory() - before
            assert grown < 500_000 or "CTM_SANITIZED" in os.environ, grown
            assert program.allocated_blocks >= 3 * 120_000 and program.growth_blocks < 1000, program
            print("good")
            """)

    def test_forks(self):
        self.check("""
            def main():  # names of a module are in a dict that grows
                tm.start(3)
                with tm.scope("both") as own:
                    kept = [BYTE * 5000]
                    child = os.fork()
                    kept.append(BYTE * (7000 if child == 0 else 3000))
                    if child == 0:
                        with tm.scope() as inner:
                            kept.append(BYTE * 2000)
                        assert inner.growth == 2000 + sys.getsizeof(b"") and 14000 < own.growth < 16500, own
                        os._exit(7)
                    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
                assert 8000 < own.growth < 9000, own
            main()
            print("good")
            """)

    def test_samples(self):
        self.check("""
            tm.start(sample_interval=1000)
            with tm.scope() as own:
                kept = [bytes(500) for _ in range(20_000)]
            assert 8_000_000 < own.growth < 14_000_000, own
            assert abs(sum(row.size for row in own.end_snapshot().statistics("lineno")) - own.growth) < 1000
            kept = None
            assert own.live < 100_000
            print("good")
            """)

    def test_a_black_box_has_all_blocks(self):
        self.check("""
            import tempfile
            path = os.path.join(tempfile.mkdtemp(), "box")
            tm.start(black_box=path)
            with tm.scope("one"), tm.labels(a=1):
                kept = [bytes(1000) for _ in range(100)]
                with tm.open_black_box(path) as box:
                    found = box.snapshot()
            here = [trace for trace in found.traces if trace.size == 1033]
            assert len(here) == 100, len(here)
            assert {trace.labels.get("a") for trace in here} <= {"1", "other"}
            print("good")
            """)

    def test_out_of_memory(self):
        self.check("""
            try:
                from _testcapi import set_nomemory, remove_mem_hooks
            except ImportError:
                print("good")
                raise SystemExit
            tm.start(2)
            def work():
                with tm.scope("x") as own, tm.scope("y", whole_process=True):
                    with tm.labels(a="b"):
                        return [bytes(n) for n in range(100)], own
            work()
            failed = 0
            for n in range(1, 120):
                set_nomemory(n, n + 1)  # with two CPython itself crashes where it sets a context variable
                try:
                    work()
                except MemoryError:
                    failed += 1
                except RuntimeError:
                    pass
                finally:
                    remove_mem_hooks()
            assert failed > 20, failed
            kept = work()
            assert tm.take_snapshot().traces
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
