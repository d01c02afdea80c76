"""The extension exports its init function and nothing else, so no name of ours meets another library's."""

import os
import shutil
import subprocess
import unittest

import ctracemalloc._ctracemalloc as extension

LINKERS = {"__bss_start", "_edata", "_end", "_fini", "_init"}  # names that some linkers add to each library


class ExportsTest(unittest.TestCase):
    @unittest.skipIf(os.environ.get("CTM_SANITIZED") == "1", "a sanitizer exports names of its own")
    @unittest.skipIf(shutil.which("nm") is None, "nm is not installed")
    def test_only_the_init_function(self):
        listed = subprocess.run(
            ["nm", "--dynamic", "--defined-only", extension.__file__], stdout=subprocess.PIPE, text=True, check=True
        )
        names = {line.split()[-1] for line in listed.stdout.splitlines()}
        self.assertEqual(names - LINKERS, {"PyInit__ctracemalloc"})


if __name__ == "__main__":
    unittest.main()
