"""greenlet and gevent: a block belongs to the stack of the greenlet that allocated it."""

import unittest

from support import ScriptTest, needs


class GreenletTest(ScriptTest):
    @needs("greenlet")
    def test_each_greenlet_has_its_own_stack(self):
        self.check("""
            from greenlet import greenlet
            held = []
            def inner(n):
                held.append(bytearray(10_000 + n)); other.switch()
                held.append(bytearray(20_000 + n)); other.switch()
            def first():
                inner(1)
            def second():
                def between():
                    while True:
                        held.append(bytearray(30_000)); one.switch()
                between()
            tm.start(25)
            one, other = greenlet(first), greenlet(second)
            one.parent = other.parent = greenlet.getcurrent()
            other_parent = one.switch()
            names = {}
            def lines(function):
                return {line for _, _, line in function.__code__.co_lines()}
            for trace in tm.take_snapshot().traces:
                if trace.size > 10_000 and trace.traceback[-1].filename == __file__:
                    names.setdefault(trace.size // 10_000, []).append(trace.traceback)
            assert sorted(names) == [1, 2, 3], names
            for size in (1, 2):
                [traceback] = names[size]
                assert [f.lineno in lines(g) for f, g in zip(traceback, (first, inner))] == [True, True], traceback
                assert traceback.total_nframe == 2, traceback
            for traceback in names[3]:
                assert traceback.total_nframe == 2 and traceback[0].lineno in lines(second), traceback
            print("good")
            """)

    @needs("greenlet")
    def test_many_greenlets_at_different_depths(self):
        self.check(
            """
            from greenlet import greenlet
            main = greenlet.getcurrent()
            held = {}
            def deep(n, key):
                if n == 0:
                    for round in range(5):
                        held[key, round] = bytearray(50_000 + key)
                        main.switch()
                else:
                    deep(n - 1, key)
            for nframe in (1, 5, 65535):
                tm.start(nframe)
                running = [greenlet(lambda key=key: deep(key % 37, key)) for key in range(200)]
                for round in range(5):
                    for one in running:
                        one.switch()
                checked = 0
                for trace in tm.take_snapshot().traces:
                    key = trace.size - 50_000 - (sys.getsizeof(bytearray(1)) - sys.getsizeof(bytearray()) - 1)
                    if trace.size >= 50_000:
                        exact = [k for k in range(200) if bytearray(50_000 + k).__alloc__() == trace.size]
                        [key] = exact
                        assert trace.traceback.total_nframe == key % 37 + 2, (key, trace.traceback)
                        checked += 1
                assert checked == 1000, checked
                held.clear()
                tm.stop()
                del running
            print("good")
            """,
            timeout=180,
        )

    @needs("gevent")
    def test_gevent(self):
        self.check("""
            import gevent, gevent.pool, gevent.queue, gevent.threadpool
            tm.start(10)
            held = []
            def leaf(n):
                gevent.sleep(0)
                held.append(bytearray(40_000))
                gevent.sleep(0)
            def worker(n):
                leaf(n)
            gevent.joinall([gevent.spawn(worker, n) for n in range(100)])
            found = [t for t in tm.take_snapshot().traces if t.size >= 40_000]
            assert len(found) == 100, len(found)
            def lines(function):
                return {line for _, _, line in function.__code__.co_lines()}
            for trace in found:
                newest = list(trace.traceback)[-2:]
                assert newest[0].lineno in lines(worker) and newest[1].lineno in lines(leaf), trace.traceback
            pool = gevent.threadpool.ThreadPool(3)
            results = [pool.spawn(lambda: bytearray(60_000)) for _ in range(20)]
            kept = [one.get() for one in results]
            assert sum(1 for t in tm.take_snapshot().traces if t.size >= 60_000) == 20
            pool.kill()
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
