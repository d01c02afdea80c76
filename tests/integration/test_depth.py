"""Deep stacks and recursion errors."""

import unittest

from support import ScriptTest, ctracemalloc_only


class DepthTest(ScriptTest):
    def check_depth(self, nframe, kept):
        # The stack is Python's own, so the C stack does not grow.
        self.check(
            f"""
            sys.setrecursionlimit(60_000)
            def deep(n):
                if n == 0:
                    return bytearray(123_456)
                return deep(n - 1)
            tm.start({nframe})
            held = deep(50_000)
            [trace] = [t for t in tm.take_snapshot().traces if t.size >= 123_456]
            assert trace.traceback.total_nframe == 50_002, trace.traceback.total_nframe
            assert len(trace.traceback) == {kept}, len(trace.traceback)
            newest = trace.traceback[-1]
            assert newest.lineno == deep.__code__.co_firstlineno + 2, newest
            if {kept} > 50_000:
                assert trace.traceback[0].lineno == deep.__code__.co_firstlineno + 5
            found = tm.get_object_traceback(held)
            assert found == trace.traceback or found is not None
            assert str(trace.traceback[-1]).endswith(":%d" % newest.lineno)
            print("good")
            """,
            timeout=120,
        )

    def test_fifty_thousand_frames_one_kept(self):
        self.check_depth(1, 1)

    def test_fifty_thousand_frames_some_kept(self):
        self.check_depth(25, 25)

    @ctracemalloc_only  # the standard module needs minutes
    def test_fifty_thousand_frames_all_kept(self):
        self.check_depth(65535, 50_002)

    def test_more_frames_than_the_largest_number_kept(self):
        self.check(
            """
            sys.setrecursionlimit(80_000)
            def deep(n):
                return bytearray(123_456) if n == 0 else deep(n - 1)
            tm.start(10)
            held = deep(70_000)
            [trace] = [t for t in tm.take_snapshot().traces if t.size >= 123_456]
            assert trace.traceback.total_nframe == 65_535, trace.traceback.total_nframe
            assert len(trace.traceback) == 10
            print("good")
            """,
            timeout=120,
        )

    def test_blocks_at_every_depth(self):
        self.check(
            """
            sys.setrecursionlimit(60_000)
            def deep(n, held):
                held.append(bytearray(100_003))
                if n: deep(n - 1, held)
            tm.start(65535)
            held = []
            deep(3000, held)
            lengths = sorted(len(t.traceback) for t in tm.take_snapshot().traces if t.size >= 100_003)
            assert lengths == list(range(2, 3003)), lengths[:5]
            print("good")
            """,
            timeout=120,
        )

    def test_recursion_errors(self):
        self.check("""
            tm.start(25)
            def endless(n=0):
                return [n, endless(n + 1)]
            for limit in (100, 1000, 5000):
                sys.setrecursionlimit(limit)
                for _ in range(5):
                    try:
                        endless()
                    except RecursionError as error:
                        held = error
                    else:
                        raise AssertionError("no error")
            tm.take_snapshot().statistics("traceback")
            print("good")
            """)

    def test_recursion_through_c(self):
        self.check("""
            import functools, json
            tm.start(10)
            class Deep:
                def __eq__(self, other): return [self] == [other]
                def __repr__(self): return repr([self])
            nested = []
            for _ in range(100_000):
                nested = [nested]
            for action in (lambda: Deep() == Deep(), lambda: repr(Deep()), lambda: json.dumps(nested),
                           lambda: json.loads("[" * 100_000), lambda: repr(nested), lambda: hash((nested,))):
                try:
                    action()
                except (RecursionError, TypeError, ValueError, MemoryError) as error:
                    held = error
            snapshot = tm.take_snapshot()
            assert len(snapshot.traces) > 100_000
            del nested
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
