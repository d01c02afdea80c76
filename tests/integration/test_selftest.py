"""The results of the self-tests of start() and the doctor do not depend on other activity in the process."""

import unittest

from support import ScriptTest, ctracemalloc_only

FACTS = """
    def lost(sampling):
        facts = tm._doctor()
        return {name: fact["detail"] for name, fact in facts.items()
                if not fact["ok"] and not (sampling and name == "free_lists")}
"""


@ctracemalloc_only
class SelfTest(ScriptTest):
    def test_threads_that_allocate_and_announce(self):
        """In 2,000 starts no self-test may mistake another thread's event for its own, or its own for another thread's."""
        for announce in (False, True):
            with self.subTest(announce=announce):
                self.check(
                    FACTS
                    + f"""
    import ctmfixture
    good = lost(False)
    assert not good, good
    ctmfixture.background(3, {announce})
    for n in range(2000):
        interval = (None, 2**20)[n % 2]
        tm.start(sample_interval=interval)
        found = lost(interval)
        tm.stop()
        assert not found, (n, found)
    ctmfixture.quiet()
    print("good")
    """
                )

    def test_a_sample_has_no_block_from_the_tests_at_its_start(self):
        """During the self-tests of a tracer that samples, other threads' blocks are sampled as always: here nearly none."""
        self.check(
            """
            import ctmfixture
            ctmfixture.background(3, True)
            for n in range(3000):
                tm.start(sample_interval=2**48)
                current, peak = tm.get_traced_memory()
                tm.stop()
                assert peak == 0, (n, current, peak)
            ctmfixture.quiet()
            print("good")
            """
        )

    def test_finalizers_at_each_allocation(self):
        """3.11 collects when an object is allocated: events of a finalizer are not part of a self-test."""
        self.check(
            FACTS
            + """
    class Cycle:
        def __del__(self):
            kept.append(([], {}, 1.5 * len(kept), (1, 2, len(kept))))
            if len(kept) % 7 == 0:
                tm.stop()
    kept = []
    gc.set_threshold(1)
    for n in range(300):
        for _ in range(5):
            cycle = Cycle()
            cycle.me = cycle
        del cycle
        tm.start()
        found = lost(False)
        tm.stop()
        assert not found, (n, found)
    assert gc.isenabled()
    gc.disable()
    tm.start()
    assert not gc.isenabled()
    print("good")
    """
        )

    def test_the_doctor_leaves_everything_as_it_was(self):
        self.check("""
            tm.start(7, sample_interval=12345)
            tm.stop()
            tm._doctor()
            assert (tm.get_traceback_limit(), tm.get_sample_interval()) == (7, 12345)
            assert not tm.is_tracing() and tm.get_traced_memory() == (0, 0)
            tm.start(3)
            tm.stop()
            tm._doctor()
            assert (tm.get_traceback_limit(), tm.get_sample_interval()) == (3, None)
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
