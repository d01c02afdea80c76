"""`python -m ctracemalloc run`: programs that use up or remove what the report needs."""

import resource
import signal
import unittest

from cli_support import ProgramTest

LINE = "kept = [bytes(10_000) for i in range(1000)]\n"


class LastTest(ProgramTest):
    def assert_reported_with_file(self, source, status=0, **options):
        script = self.write("script.py", LINE + source)
        plain, traced = self.python(script, **options), self.traced(script, **options)
        self.assertEqual((plain.returncode, traced.returncode), (status, status), traced.stderr)
        self.assertEqual(traced.stdout, plain.stdout)
        self.assertTrue(traced.stderr.startswith(plain.stderr), traced.stderr)
        self.assert_reported(traced)
        self.assertIn("script.py:1", traced.stderr)
        self.assertIn(LINE.strip(), traced.stderr)  # its source was read
        line = self.load_only_snapshot().at_peak.statistics("lineno")[0]
        self.assertEqual((line.traceback[0].lineno, line.count > 1000), (1, True))
        for path in self.snapshots():
            path.unlink()

    def test_builtins(self):
        self.assert_reported_with_file("import builtins; builtins.print = None")
        self.assert_reported_with_file("import builtins; del builtins.__import__; builtins.open = builtins.len = 1")
        self.assert_reported_with_file("import builtins; vars(builtins).clear()")

    def test_modules(self):
        self.assert_reported_with_file("import sys; sys.modules.clear()")
        self.assert_reported_with_file("import sys; sys.modules['os'] = sys.modules['linecache'] = None")

    def test_functions_of_modules(self):
        self.assert_reported_with_file(
            "import linecache, os, tokenize\n"
            "for module in (linecache, tokenize, os):\n"
            "    for name in [name for name in vars(module) if name[:2] != '__']:\n"
            "        setattr(module, name, None)\n"
        )

    def test_on_sigterm(self):
        self.assert_reported_with_file(
            "import builtins, os, signal\n"
            "kill, pid = os.kill, os.getpid()\n"
            "os.kill = os.getpid = signal.signal = signal.SIGTERM = None\n"
            "vars(builtins).clear()\n"
            "kill(pid, 15)\n",
            -signal.SIGTERM,
        )

    def test_what_the_program_changed_is_as_it_left_it(self):
        source = """
            import argparse, builtins, os, sys
            from ctracemalloc.run.reserve import Reserve
            reserve = Reserve()
            write, opener, text = os.write, os.open, repr
            del builtins.print
            builtins.mine = os.mine = 5
            os.open = 1
            del sys.modules["argparse"]
            with reserve:
                with reserve:
                    pass
                inside = "print" in vars(builtins), os.open is opener, "argparse" in sys.modules, os.mine
            after = "print" in vars(builtins), os.open, "argparse" in sys.modules, os.mine
            write(1, text((inside, after)).encode())
        """
        ended = self.python(self.write("script.py", source))
        self.assertEqual(ended.stdout, "((True, True, True, 5), (False, 1, False, 5))", ended.stderr)

    def test_no_descriptor_left(self):
        use_up = "try:\n    while True: os.dup(0)\nexcept OSError: pass\n"
        self.assert_reported_with_file("import os\n" + use_up)
        few = "resource.setrlimit(resource.RLIMIT_NOFILE, (20, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        self.assert_reported_with_file("import os, resource\n" + few + use_up)
        # The limit cannot be raised either.
        self.assert_reported_with_file(
            "import os\n" + use_up, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))
        )

    def test_descriptor_closed_by_the_program(self):
        """Another file may have its number by now: that file stays open."""
        self.assert_reported_with_file(
            "import os\n"
            "os.closerange(3, 600)\n"
            "files = [os.open(os.devnull, os.O_RDONLY) for i in range(590)]\n"
            "class Last:\n"
            "    def __del__(self, files=files, fstat=os.fstat, write=os.write):\n"
            "        for file in files: fstat(file)\n"
            "        write(1, b'all open')\n"
            "last = Last()\n"
        )

    def test_numbers_of_descriptors_are_the_programs(self):
        script = self.write("script.py", "import os; print(os.open(os.devnull, os.O_RDONLY), os.dup(0))")
        self.assertEqual(self.traced(script).stdout, self.python(script).stdout)


if __name__ == "__main__":
    unittest.main()
