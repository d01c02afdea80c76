"""Another tool's allocator hooks beside ours, in every order of the two's start and stop.

The other tool passes every call on, or keeps small blocks in a pool, or fails calls. It stops by putting back what it found, as
most tools do, or it stays and passes on. Each order runs in a fork of its own: who crashes or hangs there, fails.
"""

import unittest

from support import SANITIZED, ScriptTest, needs, ours_only

STEPS = 6 if SANITIZED else 8

ORDERS = """
    import contextlib, itertools, signal, ctmfixture, ctmtool

    SMALL, LARGE = 48, 5_000

    class Other:
        "The other tool: what it does to a call, and how it stops."
        def __init__(self, kind):
            self.kind, self.on, self.installed, self.number = kind, False, False, 0

        def start(self):
            self.on = True
            if self.kind == "new each time":
                self.number += 1
            if not self.installed:
                ctmtool.install(self.number, 512 if self.kind == "pool" else 0)
                self.installed = True
            elif self.kind == "pool":
                ctmtool.pool(0, 512)

        def stop(self):
            self.on = False
            if self.kind == "pool":
                ctmtool.pool(0, 0)
            elif self.kind != "stays" or ctmtool.is_on_top(0):
                ctmtool.put_back(self.number)
                self.installed = False

    def make(which, count, size):
        return ctmfixture.hold(which, count, size)

    def count_at(size, snapshot):
        return sum(1 for t in snapshot.traces if t.size == size)

    def look():
        "(small, large) blocks found of 100 each in each domain; None: refused"
        held = [make(which, 100, size) for which in (0, 1, 2) for size in (SMALL + 1, LARGE + 1)]
        try:
            snapshot = tm.take_snapshot()
        except RuntimeError as error:
            assert "replaced" in str(error), error
            return None
        found = count_at(SMALL + 1, snapshot), count_at(LARGE + 1, snapshot)
        del held
        snapshot = tm.take_snapshot()
        assert (count_at(SMALL + 1, snapshot), count_at(LARGE + 1, snapshot)) == (0, 0)
        return found

    class Chain:
        "Who calls on whom, from the top: (name, what it found), as it has to be whatever the numbers say."
        def __init__(self):
            self.top = None

        def names(self):
            names, place = [], self.top
            while place is not None:
                names.append(place[0])
                place = place[1]
            return names

        def push(self, name):
            self.top = (name, self.top)

        def is_on_top(self, name):
            return self.top is not None and self.top[0] == name

    def expect(tracing, other, names):
        if not tracing:
            assert bytearray(LARGE) == bytes(LARGE) and len([[] for _ in range(100)]) == 100
            return
        found = look()
        fact = tm._doctor()["allocators"]
        if "ours" not in names:
            assert found is None and not fact["ok"], (found, fact)
        elif other.kind == "pool" and other.on and names[0] == "other":
            assert found == (0, 300), found
            assert not fact["ok"] and "keep some blocks" in fact["detail"], fact
        else:
            assert found == (300, 300), (found, fact)

    def toggle_ours(chain, tracing):
        if tracing:
            tm.stop()
            if chain.is_on_top("ours"):
                chain.top = chain.top[1]
        else:
            tm.start(2)
            assert tm._doctor()["allocators"]["ok"]
            if not chain.is_on_top("ours"):
                chain.push("ours")

    def toggle_other(chain, other):
        was_installed = other.installed
        if other.on:
            other.stop()
        else:
            other.start()
        if other.installed and not was_installed:
            other.found = chain.top
            chain.push("other")
        elif was_installed and not other.installed:
            chain.top = other.found

    def run(kind, order):
        other, chain, tracing, steps = Other(kind), Chain(), False, []
        for step in order:
            steps.append(step)
            try:
                if step == "ours":
                    toggle_ours(chain, tracing)
                    tracing = not tracing
                else:
                    toggle_other(chain, other)
                expect(tracing, other, chain.names())
            except BaseException as error:
                raise AssertionError((kind, steps, chain.names())) from error

    def in_fork(kind, order):
        pid = os.fork()
        if pid == 0:
            status = 1
            signal.alarm(60)
            try:
                run(kind, order)
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitpid(pid, 0)[1]

    def all_orders(kind, steps):
        for order in itertools.product(("ours", "other"), repeat=steps):
            status = in_fork(kind, order)
            assert status == 0, (kind, order, status)
        print("good")
"""


@ours_only
class OrderTest(ScriptTest):
    def check_orders(self, kind, steps=STEPS, **options):
        self.check(ORDERS + f"\n    all_orders({kind!r}, {steps})\n", timeout=300, **options)

    def test_puts_back(self):
        self.check_orders("puts back")

    def test_stays(self):
        self.check_orders("stays")

    def test_pool(self):
        self.check_orders("pool")

    def test_another_context_each_time(self):
        self.check_orders("new each time")

    def test_above_other_allocators(self):
        for name in ("malloc", "debug"):
            for kind in ("puts back", "stays", "pool"):
                with self.subTest(name, kind=kind):
                    self.check_orders(kind, 5, env={"PYTHONMALLOC": name})


if __name__ == "__main__":
    unittest.main()
