"""Code objects are cached but not changed: no extra slot is used, and a new one is never mistaken for a dead one."""

import sys
import unittest

from support import ScriptTest


class CodeObjectTest(ScriptTest):
    def test_sizes(self):
        self.check(
            """
            def allocate():
                return [object() for _ in range(3)]
            before = sys.getsizeof(allocate.__code__)
            tm.start(5)
            held = [allocate() for _ in range(3)]
            assert blocks_at(tm.take_snapshot(), allocate)[0] >= 3
            assert sys.getsizeof(allocate.__code__) == before
            tm.stop()
            assert sys.getsizeof(allocate.__code__) == before
            print("good")
            """
        )

    @unittest.skipIf(sys.version_info < (3, 13), "3.13 and newer run functions in sub-interpreters")
    def test_function_in_subinterpreter(self):
        """The function must have no extra slots."""
        self.check(
            """
            import _interpreters
            def script():
                x = object()
            tm.start(5)
            script()
            assert _interpreters.run_func(_interpreters.create(), script) is None
            print("good")
            """
        )

    @unittest.skipIf(sys.version_info < (3, 14), "3.14 and newer give functions to sub-interpreters")
    def test_inner_function_to_subinterpreter(self):
        self.check(
            """
            from concurrent import interpreters
            import pathlib
            pathlib.Path("definitions.py").write_text(
                "def same(x): return x\\n"
                "def outer():\\n    def inner(n):\\n        return [n, n + 1]\\n    return inner\\n")
            sys.path.insert(0, "")
            import definitions
            tm.start(5)
            inner = definitions.outer()
            assert inner(1) == [1, 2] and definitions.same(1) == 1
            there = interpreters.create()
            assert there.call(definitions.same, inner)(1) == [1, 2]
            assert there.call(inner, 5) == [5, 6]
            print("good")
            """
        )

    def test_many_that_come_and_go(self):
        """Each block has its own traceback, whatever code object was at the same address before."""
        self.check(
            """
            import random
            chance = random.Random(7)
            made = 0
            def make():
                global made
                made += 1
                names = {}
                exec(compile("\\n" * (made % 50) + "def allocate(): return bytearray(20_000)", f"<made {made}>", "exec"), names)
                return made, made % 50 + 1, names["allocate"]
            for nframe in (1, 4):
                tm.start(nframe)
                alive = [make() for _ in range(3000)]
                for turn in range(12):
                    chance.shuffle(alive)
                    del alive[chance.randrange(len(alive)):]
                    alive += [make() for _ in range(chance.randrange(2000))]
                    for number, line, allocate in chance.sample(alive, min(len(alive), 300)):
                        block = allocate()
                        frame = tm.get_object_traceback(block)[-1]
                        assert (frame.filename, frame.lineno) == (f"<made {number}>", line), (frame, number, line)
                tm.stop()
            print("good")
            """
        )


if __name__ == "__main__":
    unittest.main()
