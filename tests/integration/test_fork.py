"""fork: from the main thread, from another thread, by multiprocessing, while other threads use the tracer."""

import unittest

from support import SANITIZED, SLOWER, ScriptTest


class ForkTest(ScriptTest):
    def test_child_continues_tracing_and_leaves_the_parent_alone(self):
        self.check("""
            def work():
                return [bytearray(1000) for _ in range(100)]
            tm.start(5)
            held = work()
            before = blocks_at(tm.take_snapshot(), work)
            pid = os.fork()
            if pid == 0:
                more = work()
                found = blocks_at(tm.take_snapshot(), work)
                right = tm.is_tracing() and found[1] > before[1] + 100_000
                del held, more
                gone = blocks_at(tm.take_snapshot(), work) == (0, 0)
                tm.stop()
                tm.start(1)
                again = work()
                os._exit(7 if right and gone and blocks_at(tm.take_snapshot(), work)[1] > 100_000 else 1)
            _, status = os.waitpid(pid, 0)
            assert os.waitstatus_to_exitcode(status) == 7, status
            assert blocks_at(tm.take_snapshot(), work) == before
            print("good")
            """)

    def test_right_after_a_large_heap_was_stopped(self):
        """stop() leaves much memory to a helper thread: a fork must wait for it, and CPython must not warn of a thread."""
        self.check(
            """
            import warnings
            def resident():
                with open("/proc/self/smaps_rollup") as lines:
                    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Rss:"))
            def work():
                return [(n, n) for n in range(2_500_000)]
            for _ in range(3):
                tm.start(1)
                held = work()
                traced = resident()
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    tm.stop()
                    pid = os.fork()
                    if pid == 0:
                        alone = os.listdir("/proc/self/task") == [str(os.getpid())]
                        tm.start(1)
                        more = [bytearray(1000) for _ in range(100)]
                        os._exit(5 if alone and len(tm.take_snapshot().traces) >= 200 else 1)
                    assert len(os.listdir("/proc/self/task")) == 1
                _, status = os.waitpid(pid, 0)
                assert os.waitstatus_to_exitcode(status) == 5, status
                assert not caught, caught
                if not SANITIZED:
                    assert resident() < traced - 25_000_000, (resident(), traced)
                tm.start(1)
                again = work()
                tm.stop()
                tm.start(1) # at once
                few = [bytearray(n) for n in range(100)]
                assert tm.get_traced_memory()[0] < 100_000
                tm.stop()
                del held, again
            print("good")
            """.replace("SANITIZED", str(SANITIZED)),
            timeout=120 * SLOWER,
        )

    def test_from_a_thread(self):
        self.check("""
            tm.start(3)
            results = []
            def work():
                pid = os.fork()
                if pid == 0:
                    held = [bytearray(n) for n in range(100)]
                    snapshot = tm.take_snapshot()
                    os._exit(0 if len(snapshot.traces) > 100 else 1)
                results.append(os.waitpid(pid, 0)[1])
            for _ in range(20):
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            assert results == [0] * 20, results
            print("good")
            """)

    def test_while_threads_allocate_without_the_gil(self):
        self.check(
            """
            import ctmfixture
            tm.start(2)
            ctmfixture.background(4, True)
            statuses = []
            for n in range(60):
                pid = os.fork()
                if pid == 0:
                    address = ctmfixture.malloc_nogil(500)
                    ctmfixture.free(0, address)
                    ctmfixture.storm(2, 200, 0, 0, True, None)
                    held = [bytearray(n) for n in range(300)]
                    tm.take_snapshot()
                    tm.stop()
                    tm.start(1)
                    os._exit(5)
                statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            ctmfixture.quiet()
            assert statuses == [5] * 60, statuses
            print("good")
            """,
            timeout=120,
        )

    def test_a_child_that_forks(self):
        self.check("""
            tm.start(1)
            def nest(depth):
                held = [bytearray(100) for _ in range(depth * 10)]
                tm.take_snapshot()
                if depth == 0:
                    os._exit(0)
                pid = os.fork()
                if pid == 0:
                    nest(depth - 1)
                os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            pid = os.fork()
            if pid == 0:
                nest(5)
            assert os.waitpid(pid, 0)[1] == 0
            print("good")
            """)

    def check_multiprocessing(self, method):
        self.check(
            f"""
            import multiprocessing

            def work(n):
                if not tm.is_tracing():
                    tm.start(2)
                held = [bytearray(n) for n in range(200)]
                return len(tm.take_snapshot().traces) > 200

            if __name__ == "__main__":
                tm.start(2)
                context = multiprocessing.get_context({method!r})
                with context.Pool(3) as pool:
                    results = pool.map(work, range(12))
                process = context.Process(target=work, args=(3,))
                process.start()
                process.join()
                assert results == [True] * 12 and process.exitcode == 0
                tm.take_snapshot()
                print("good")
            """,
            timeout=120,
        )

    def test_multiprocessing_fork(self):
        self.check_multiprocessing("fork")

    def test_multiprocessing_spawn(self):
        self.check_multiprocessing("spawn")

    def test_multiprocessing_forkserver(self):
        self.check_multiprocessing("forkserver")

    def test_subprocess_and_exec(self):
        self.check(
            """
            import subprocess
            tm.start(10)
            for _ in range(5):
                done = subprocess.run([sys.executable, "-c", "print(3)"], capture_output=True, preexec_fn=lambda: None)
                assert done.stdout == b"3\\n"
            sys.stdout.flush()
            os.execv(sys.executable, [sys.executable, "-c", "print('good')"])
            """
        )


if __name__ == "__main__":
    unittest.main()
