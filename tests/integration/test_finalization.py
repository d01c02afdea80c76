"""The end of the interpreter: code that runs, frees and allocates after finalization has begun."""

import unittest

from support import MODULE, ScriptTest


class FinalizationTest(ScriptTest):
    def test_generators_closed_at_the_end(self):
        self.check(
            """
            tm.start(5)
            def generator(n):
                try:
                    yield n
                finally:
                    os.write(1, b"closed\\n") if n == 0 else [bytearray(100)]
            running = [generator(n) for n in range(50)]
            for one in running: next(one)
            cycle = []
            cycle.append((cycle, running))
            """,
            expected="closed\n",
        )

    def test_coroutines_and_asynchronous_generators_never_finished(self):
        self.check("""
            import asyncio, warnings
            warnings.simplefilter("ignore")
            tm.start(5)
            async def ticks():
                for n in range(10):
                    yield [n]
            async def main():
                global running, waiting
                running = ticks()
                await running.__anext__()
                waiting = main()
            asyncio.run(main())
            print("good")
            """)

    def test_destructors_that_use_the_module(self):
        self.check("""
            tm.start(5)
            class Last:
                # The module's dictionary is emptied before this runs: refer to its functions.
                def __init__(self):
                    names = ("is_tracing", "get_traced_memory", "get_traceback_limit", "get_tracemalloc_memory",
                             "take_snapshot", "reset_peak", "clear_traces", "stop", "start", "stop", "start")
                    self.calls = [getattr(tm, name) for name in names]
                def __del__(self, write=os.write):
                    held = [bytearray(100) for _ in range(50)]
                    for call in self.calls:
                        try:
                            call()
                        except Exception:  # the standard module is Python code, which is unloaded
                            pass
                    write(1, b"good\\n")
            sys.keep_until_the_end = Last()
            """)

    def test_stopped_or_started_by_a_destructor(self):
        self.check(
            """
            class Last:
                def __init__(self, action): self.action = action
                def __del__(self, write=os.write):
                    self.action()
                    held = [str(n) for n in range(100)]
                    write(1, b"x")
            one, two, three = Last(tm.stop), Last(tm.start), Last(tm.clear_traces)
            cycle = [Last(tm.stop), Last(tm.start)]
            cycle.append(cycle)
            tm.start(1)
            """,
            expected="xxxxx",
        )

    def test_at_exit_handlers(self):
        self.check("""
            import atexit
            tm.start(1)
            def last():
                held = bytearray(100_000)
                assert sum(1 for t in tm.take_snapshot().traces if t.size >= 100_000) == 1
                print("good")
            atexit.register(last)
            """)

    def test_objects_freed_after_it_began(self):
        self.check(
            """
            import ctmfixture
            ctmfixture.allocate_after_exit()
            tm.start(10)
            class Node:
                def __init__(self, next):
                    self.next = next
                    self.held = ctmfixture.hold(len(vars()) % 3, 10, 100)
            node = None
            for _ in range(2000):
                node = Node(node)
            sys.modules["kept"] = node
            threading.local().value = Node(None)
            print("good", flush=True)
            """,
            expected="good\nlate\n",
        )

    def test_threads_that_outlast_the_interpreter(self):
        self.check(
            """
            import ctmfixture
            tm.start(3)
            def work():
                while True:
                    held = [bytearray(n) for n in range(100)]
            for _ in range(3):
                threading.Thread(target=work, daemon=True).start()
            ctmfixture.background(3, False)
            time.sleep(0.2)
            print("good", flush=True)
            """
        )

    def test_ways_to_end(self):
        for way, status in (
            ("os._exit(3)", 3),
            ("sys.exit(4)", 4),
            ("raise ValueError('the end')", 1),
            ("raise SystemExit", 0),
            ("threading.Thread(target=sys.exit, args=(2,)).start()", 0),
            ("import signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
            ("import signal; signal.raise_signal(signal.SIGINT)", -2),
            ("os.abort()", -6),
        ):
            with self.subTest(way):
                source = f"tm.start(5); held = [bytearray(n) for n in range(500)]; print('good', flush=True)\n{way}\n"
                self.check(source, status=status)

    def test_warning_of_an_open_file_at_the_end(self):
        self.check(
            """
            tm.start(5)
            opened = open(__file__)
            print("good")
            """,
            python=("-W", "always"),
        )

    def test_imported_twice(self):
        """Some test runners remove modules from sys.modules and import them anew: a process has one tracer in any case."""
        self.check(f"""
            tm.start(2)
            first = tm
            for name in [n for n in sys.modules if n.split(".")[0] in ({MODULE!r}, "_" + {MODULE!r})]:
                del sys.modules[name]
            import {MODULE} as second
            held = bytearray(50_000)
            assert second.is_tracing() and first.is_tracing()
            assert sum(1 for t in second.take_snapshot().traces if t.size > 50_000) == 1
            second.stop()
            assert not first.is_tracing()
            del first, tm
            gc.collect()
            second.start()
            print("good")
            """)


if __name__ == "__main__":
    unittest.main()
