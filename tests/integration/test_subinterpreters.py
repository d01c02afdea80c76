"""Sub-interpreters: the tracer belongs to the main interpreter; others run undisturbed."""

import subprocess
import sys
import textwrap
import unittest

from support import ScriptTest, ctracemalloc_only

# create(own_gil), run(id, source), destroy(id): by whatever module this Python has for it.
TOOLS = """
def tools():
    try:
        import _interpreters as module  # 3.13 and later
        def create(own_gil):
            return module.create("isolated" if own_gil else "legacy")
        def run(interpreter, source):
            problem = module.exec(interpreter, source)
            if problem is not None:
                raise RuntimeError(problem.formatted if hasattr(problem, "formatted") else str(problem))
        return create, run, module.destroy
    except ImportError:
        import _xxsubinterpreters as module
        def create(own_gil):
            if own_gil and sys.version_info < (3, 12):
                print("needs 3.12")
                sys.exit(77)
            return module.create(isolated=own_gil)
        return create, module.run_string, module.destroy
create, run, destroy = tools()
"""
WORK = """
import json
held = [[str(n), float(n), {n: n}] for n in range(3000)]
held.append(json.loads(json.dumps(held[:50])))
del held[::2]
"""


class SubinterpreterTest(ScriptTest):
    def check_script(self, source, **options):
        text = TOOLS + f"WORK = {WORK!r}\n" + textwrap.dedent(source)
        try:
            self.check(text, **options)
        except AssertionError as error:
            if "needs 3.12" in str(error):
                self.skipTest("own-GIL interpreters came with 3.12")
            raise

    def test_sharing_the_gil(self):
        self.check_script("""
            tm.start(3)
            held = bytearray(77_777)
            interpreters = [create(False) for _ in range(3)]
            for _ in range(3):
                for one in interpreters:
                    run(one, WORK)
                    tm.take_snapshot()
            for one in interpreters:
                destroy(one)
            assert sum(1 for t in tm.take_snapshot().traces if 77_777 <= t.size < 78_000) == 1
            tm.stop()
            one = create(False)
            run(one, WORK)
            tm.start()
            destroy(one)
            tm.take_snapshot()
            print("good")
            """)

    def test_own_gil_beside_a_tracing_main_interpreter(self):
        self.check_script(
            """
            tm.start(10)
            def work():
                one = create(True)
                for _ in range(5):
                    run(one, WORK)
                destroy(one)
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads: thread.start()
            while any(thread.is_alive() for thread in threads):
                held = [[str(n), float(n)] for n in range(2000)]
                snapshot = tm.take_snapshot()
                assert sum(s.count for s in snapshot.statistics("lineno")) == len(snapshot.traces)
            for thread in threads: thread.join()
            print("good")
            """,
            timeout=120,
        )

    def test_own_gil_while_tracing_starts_and_stops(self):
        self.check_script(
            """
            ready = []
            def work():
                one = create(True)
                ready.append(one)
                for _ in range(10):
                    run(one, WORK)
                destroy(one)
            thread = threading.Thread(target=work)
            thread.start()
            while thread.is_alive():
                tm.start(2)
                held = [[str(n), float(n)] for n in range(300)]
                tm.stop()
            print("good")
            """,
            timeout=120,
        )

    @ctracemalloc_only
    def test_the_standard_module_can_be_imported_where_it_could_be(self):
        """3.12 refuses the import in an interpreter with its own GIL once the main interpreter has imported it."""
        body = """
            import sys
            interpreter = create(sys.version_info >= (3, 12))
            try:
                run(interpreter, "import tracemalloc; assert not tracemalloc.is_tracing()")
                print("imported")
            except Exception as error:
                print(type(error).__name__)
        """
        code = "import sys\n" + TOOLS + textwrap.dedent(body)
        outcomes = [
            subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True).stdout
            for first in ("", "import ctracemalloc; ctracemalloc.start()\n")
        ]
        self.assertRegex(outcomes[0], r"^\w+\n$")
        self.assertEqual(outcomes[1], outcomes[0])

    def test_import_is_refused_with_a_gil_of_its_own(self):
        self.check_script("""
            one = create(True)
            run(one, "import sys; sys.path[:] = " + repr(sys.path))
            attempt = ["try:", " import ctracemalloc", "except ImportError as error:",
                       " assert 'interpreter' in str(error), error", "else:", " raise AssertionError('imported')"]
            run(one, chr(10).join(attempt))
            tm.start()
            run(one, WORK)
            destroy(one)
            assert tm.is_tracing()
            print("good")
            """)

    def test_left_alive_at_the_end(self):
        self.check_script(
            """
            tm.start(3)
            one = create(False)
            run(one, WORK + "\\nimport sys\\nsys.kept = held")
            print("good", flush=True)
            """
        )


if __name__ == "__main__":
    unittest.main()
