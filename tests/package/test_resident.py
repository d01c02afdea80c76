"""resident_memory() and the command rss: each number is compared with what the process itself, the kernel or malloc says."""

import ctypes
import json
import mmap
import os
import random
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest
from array import array
from unittest import mock

import ctracemalloc
from cli_support import ProgramTest
from ctracemalloc import _ctracemalloc
from ctracemalloc.render.text.resident import ADVICE, TITLES, UNKNOWN, format_resident
from ctracemalloc.render.text.style import Style
from ctracemalloc.resident import glibc, measure
from ctracemalloc.resident.areas import parse_areas, read_areas
from ctracemalloc.resident.pages import PAGE, Pages, read_pages
from ctracemalloc.resident.result import KINDS
from ctracemalloc.resident.shares import Shares
from guards_support import wait_until_it_waits

MB = 1 << 20


def is_glibc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (OSError, ValueError):
        return False


# What malloc itself counts: `answer`.
MALLINFO = """
class Info(ctypes.Structure):
    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    _fields_ = [(name, ctypes.c_size_t) for name in names]
libc = ctypes.CDLL(None)
if hasattr(libc, "mallinfo2"):
    libc.mallinfo2.restype = Info
    info = libc.mallinfo2()
    answer = {name: getattr(info, name) for name in Info.names}
"""

# Something else is behind the heap, so that it cannot grow.
NO_GROWTH = """
libc = ctypes.CDLL(None)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
fixed, anonymous = 0x100000, 0x22
end = (libc.sbrk(0) + 4095) & ~4095
assert libc.mmap(end + 65536, 4096, 0, fixed | anonymous, -1, 0) == end + 65536
"""


class Program:
    """A program that prints a line of JSON and then waits."""

    def __init__(self, source, *options, python=sys.executable, **environment):
        preamble = "import ctypes, json, mmap, os, sys, threading\nanswer = {}\n"
        end = "\nprint(json.dumps(answer), flush=True)\nsys.stdin.read()\n"
        self.process = subprocess.Popen(
            [python, *options, "-c", preamble + textwrap.dedent(source) + end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def __enter__(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.stderr.read())
        self.answer = json.loads(line)
        self.pid = self.process.pid
        wait_until_it_waits(self.pid)  # it has written its line, but the call that waits takes memory before it does so
        return self

    def __exit__(self, *ignored):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait(60)


def sizes_of(result):
    sizes = dict.fromkeys(KINDS, 0)
    for row in result.rows:
        sizes[row.kind] += row.size
    return sizes


def numbers_of(result, kind, key):
    return sum(row.detail.get(key, 0) for row in result.rows if row.kind == kind)


class ResidentTest(unittest.TestCase):
    def check(self, result, unknown=()):
        """The rows are the whole, the kernel agrees, and nothing is left over."""
        self.assertEqual(result.total, sum(row.size for row in result.rows))
        self.assertLess(abs(result.total - result.status), result.status / 100, result)
        self.assertTrue(all(row.size >= 0 for row in result.rows), result.rows)
        self.assertTrue(all(KINDS[row.kind] == row.advice for row in result.rows))
        if is_glibc():
            self.assertEqual(result.unknown, unknown)
            self.assertLess(result.unexplained, result.status / 100, result)
        return sizes_of(result)


class TestPrograms(ResidentTest):
    def test_pymalloc(self):
        """As the interpreter's own statistics say."""
        source = """
            held = [str(i) * 2 for i in range(300_000)]
            del held[::3]
            gone = {i: (i, i) for i in range(200_000)}
            del gone
            sys._debugmallocstats()
            sys.stderr.flush()
        """
        if sys.flags.dev_mode or not hasattr(sys, "_debugmallocstats"):
            self.skipTest("no statistics of pymalloc")
        with Program(source) as program:
            text = os.read(program.process.stderr.fileno(), 1 << 16).decode()
            while ("arena alignment" not in text and "# arenas highwater" not in text) or "Total" not in text:
                text += os.read(program.process.stderr.fileno(), 1 << 16).decode()
            result = ctracemalloc.resident_memory(program.pid)
        sizes = self.check(result)
        own = {
            name: int(re.search(pattern, text)[1].replace(",", ""))
            for name, pattern in {
                "in_use": r"# bytes in allocated blocks += +([\d,]+)",
                "arenas": r"# arenas allocated current += +([\d,]+)",
                "free_blocks": r"# bytes in available blocks += +([\d,]+)",
            }.items()
        }
        self.assertLess(abs(sizes["pymalloc_in_use"] - own["in_use"]), own["in_use"] / 100)
        self.assertLess(abs(sizes["pymalloc_free_blocks"] - own["free_blocks"]), own["free_blocks"] / 20)
        self.assertLessEqual(abs(numbers_of(result, "pymalloc_in_use", "arenas") - own["arenas"]), 1)
        self.assertGreater(sizes["pymalloc_free_pools"], MB)

    @unittest.skipUnless(is_glibc(), "malloc's own numbers are glibc's")
    def test_libc(self):
        """As mallinfo2() says: the main arena, those of threads, and the large blocks."""
        source = """
            def work():
                mine = [bytearray(5000) for i in range(2000)]
                del mine[::2]
                started.release()
                end.wait()

            started, end = threading.Semaphore(0), threading.Event()
            threads = [threading.Thread(target=work, daemon=True) for i in range(2)]
            for thread in threads:
                thread.start()
                started.acquire()
            held = [bytearray(3000) for i in range(10_000)]
            del held[::2]
            large = [bytearray(40 << 20), bytearray(50 << 20)]
        """
        with Program(textwrap.dedent(source) + MALLINFO) as program:
            result = ctracemalloc.resident_memory(program.pid)
            own = program.answer
        sizes = self.check(result)
        if not own:
            self.skipTest("this libc has no mallinfo2()")
        self.assertEqual(numbers_of(result, "libc_large", "blocks"), own["hblks"])
        self.assertLess(abs(sizes["libc_large"] - own["hblkhd"]), MB)
        self.assertLess(abs(sizes["libc_in_use"] - own["uordblks"]), own["uordblks"] / 50 + MB)
        self.assertGreater(sizes["libc_free"], 12 * MB)
        self.assertLess(sizes["libc_free"], own["fordblks"] + MB)
        self.assertEqual({row.name for row in result.rows if row.kind == "libc_in_use"}, {"main", "threads"})

    @unittest.skipUnless(is_glibc(), "malloc's own numbers are glibc's")
    def test_heap_that_cannot_grow(self):
        """Something else is in its way: then the main arena continues in mappings."""
        source = (
            NO_GROWTH
            + """
held = [bytearray(3000) for i in range(10_000)]
del held[::2]
"""
        )
        with Program(source + MALLINFO) as program:
            result = ctracemalloc.resident_memory(program.pid)
            own = program.answer
        sizes = self.check(result)
        self.assertGreater(sizes["libc_in_use"], 15 * MB)
        self.assertGreater(sizes["libc_free"], 13 * MB)
        if own:
            untouched = own["keepcost"] - numbers_of(result, "libc_free", "top")
            self.assertGreaterEqual(untouched, 0)
            self.assertLess(abs(sizes["libc_in_use"] - own["uordblks"]), own["uordblks"] / 50)
            self.assertLess(abs(sizes["libc_free"] + untouched - own["fordblks"]), own["fordblks"] / 50)

    def test_end_marks(self):
        """A mapping of the main arena ends with two marks, or with three where only 48 bytes of it were left."""
        source = NO_GROWTH + textwrap.dedent("""
            libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
            libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
            libc.mallinfo2.restype = Info
            word = ctypes.c_size_t.from_address

            def left():
                return libc.mallinfo2().keepcost

            def block(size):
                found = libc.malloc(size)
                libc.memset(found, 1, size)
                return found

            def fill(number):
                "The first byte behind the block that leaves so many bytes to the top."
                while True:
                    request = left() - number - 8
                    found = block(request if request >= 24 else 4096)
                    if left() == number:
                        return found + request - 8

            marks = []
            for number in (48, 32, 48, 48):
                top = fill(number)
                while left() == number:
                    block(4096)
                marks.append([word(top + 8 + i).value for i in range(0, number, 16)])
        """)
        if not (is_glibc() and hasattr(ctypes.CDLL(None), "mallinfo2")):
            self.skipTest("this libc has no mallinfo2()")
        with Program(MALLINFO + source + MALLINFO + 'answer["marks"] = marks') as program:
            result = ctracemalloc.resident_memory(program.pid)
            own = program.answer
        self.assertEqual(own["marks"], [[17, 17, 17], [17, 17], [17, 17, 17], [17, 17, 17]])
        sizes = self.check(result)
        self.assertEqual(sizes["libc_other"], 0)
        self.assertGreater(sizes["libc_in_use"], 2 * MB)
        # Some pages of blocks in use were never written to, and the program took a buffer after it had counted. A missed
        # mapping, of any size, is in `unknown`.
        self.assertLess(abs(own["uordblks"] - sizes["libc_in_use"]), MB / 4)

    @unittest.skipUnless(is_glibc(), "glibc's main arena")
    def test_missed_mapping_of_the_heap_is_said(self):
        """Malloc's own count says that something is missing."""
        with Program(NO_GROWTH + "held = [bytearray(3000) for i in range(5_000)]") as program:
            whole = self.check(measure.measure(program.pid))
            with mock.patch.object(glibc.Glibc, "has_end_marks", return_value=False):
                result = measure.measure(program.pid)
        self.assertEqual(result.unknown, ("heap",))
        self.assertGreater(whole["libc_in_use"] - sizes_of(result)["libc_in_use"], 5 * MB)

    def test_mappings(self):
        """Files, changed and not; shared memory; the zero page; stacks."""
        source = """
            path = sys.argv[1]
            with open(path, "r+b") as file:
                clean = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
                changed = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE)
            sum(clean[::4096])
            changed[: 1 << 20] = bytes(1 << 20)
            shared = mmap.mmap(-1, 8 << 20)
            shared.write(bytes(3 << 20))
            zeros = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            sum(zeros[::4096])
            started, end = threading.Semaphore(0), threading.Event()
            def work():
                started.release()
                end.wait()
            for i in range(3):
                threading.Thread(target=work, daemon=True).start()
                started.acquire()
        """
        descriptor, path = tempfile.mkstemp(".mapped", dir="/var/tmp")  # on a disk; /tmp may be in memory
        self.addCleanup(os.unlink, path)
        with open(descriptor, "wb") as file:
            file.write(os.urandom(4 * MB))
        name = os.path.basename(path)
        source = source.replace("sys.argv[1]", repr(path))
        with Program(source) as program:
            result = ctracemalloc.resident_memory(program.pid)
            old = measure.measure(program.pid, scan=False)
        for found in (result, old):
            self.check(found)
            named = {(row.kind, os.path.basename(row.name)): row.size for row in found.rows}
            self.assertEqual(named["file", name], 4 * MB)
            self.assertEqual(named["file_private", name], MB)
            self.assertEqual(named["shared_memory", "zero (deleted)"], 3 * MB)
            self.assertEqual(numbers_of(found, "stack", "threads"), 4 if is_glibc() else 1)
            self.assertLess(found.total, 50 * MB)
        self.assertEqual(sizes_of(result), sizes_of(old))

    def test_forked_child(self):
        """Pages that two processes share count in each."""
        source = """
            held = [str(i) for i in range(200_000)]
            pid = os.fork()
            if not pid:
                sys.stdin.read()
                os._exit(0)
            answer["child"] = pid
        """
        with Program(source, "-W", "ignore") as program:
            for pid in (program.pid, program.answer["child"]):
                sizes = self.check(ctracemalloc.resident_memory(pid))
                self.assertGreater(sizes["pymalloc_in_use"], 9 * MB)
                old = measure.measure(pid, scan=False)
                self.assertLess(abs(old.total - old.status), old.status / 100)

    def test_other_allocators(self):
        source = "held = [str(i) for i in range(100_000)]"
        with Program(source, PYTHONMALLOC="malloc") as program:
            sizes = self.check(ctracemalloc.resident_memory(program.pid), unknown=("pymalloc",))
        self.assertEqual(sizes["pymalloc_in_use"], 0)
        with Program(source, PYTHONMALLOC="debug") as program:
            sizes = self.check(ctracemalloc.resident_memory(program.pid))
        self.assertGreater(sizes["pymalloc_in_use"], 5 * MB)
        source = "held = [bytearray(5000) for i in range(100)]"
        if is_glibc():
            with Program(source, MALLOC_MMAP_THRESHOLD_="4096", MALLOC_ARENA_MAX="1") as program:
                result = ctracemalloc.resident_memory(program.pid)
            self.check(result)
            self.assertGreater(numbers_of(result, "libc_large", "blocks"), 50)

    def test_sub_interpreters(self):
        name = next((name for name in ("_interpreters", "_xxsubinterpreters") if name in sys.builtin_module_names), None)
        if name is None:
            try:
                __import__("_interpreters")
                name = "_interpreters"
            except ImportError:
                name = "_xxsubinterpreters"
        source = f"""
            import {name} as interpreters
            one = interpreters.create()
            interpreters.run_string(one, "held = [str(i) for i in range(100_000)]")
        """
        with Program(source, "-W", "ignore") as program:
            sizes = self.check(ctracemalloc.resident_memory(program.pid))
        self.assertGreater(sizes["pymalloc_in_use"], 4 * MB)


class TestThisProcess(ResidentTest):
    def test_rows(self):
        held = [str(i) * 3 for i in range(100_000)]
        result = ctracemalloc.resident_memory()
        sizes = self.check(result)
        self.assertEqual(result.pid, os.getpid())
        self.assertGreater(sizes["pymalloc_in_use"], 6 * MB)
        self.assertEqual(len(held), 100_000)

    def test_every_look(self):
        """In a new process: a look takes time by the memory there is, and that of all tests is much."""
        program = "import test_resident; test_resident.TestThisProcess('every_look').debug()"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        ran = subprocess.run(
            [sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def every_look(self):
        """Looking takes memory of libc's, but not while it walks through the heap: no look has to be repeated."""
        held = []
        for size in range(1000, 41_000, 2000):
            held.append(bytearray(size))
            self.check(measure.measure(os.getpid()))

    def test_traced(self):
        self.assertIsNone(ctracemalloc.resident_memory().traced)
        ctracemalloc.start()
        self.addCleanup(ctracemalloc.stop)
        held = [bytearray(1000) for i in range(1000)]
        traced = ctracemalloc.resident_memory().traced
        self.assertGreater(traced.size, len(held) * 1000)
        self.assertGreaterEqual(traced.peak, len(held) * 1000)
        self.assertEqual(traced.announced, 0)
        self.assertGreater(traced.tracer, 0)

    def test_errors(self):
        with self.assertRaisesRegex(ProcessLookupError, "there is no process 2147483646"):
            ctracemalloc.resident_memory(2147483646)
        ended = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with self.assertRaisesRegex(OSError, f"process {ended.pid} has no memory"):
            ctracemalloc.resident_memory(ended.pid)
        ended.wait()


class TestCommand(ProgramTest):
    def rss(self, *arguments, **environment):
        command = [sys.executable, "-m", "ctracemalloc", "rss", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, env={**self.environment, **environment}, check=False)

    def test_text(self):
        with Program("held = [str(i) for i in range(100_000)]") as program:
            ran = self.rss(program.pid, "-l", 2, COLUMNS="80", LC_ALL="C")
        self.assertEqual((ran.returncode, ran.stderr), (0, b""))
        lines = ran.stdout.decode("ascii").splitlines()
        self.assertRegex(lines[0], rf"^process {program.pid}: [\d.]+ (KiB|MiB) resident, .* of it unexplained$")
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertIn("pymalloc (blocks of up to 512 bytes): in use", ran.stdout.decode())
        self.assertRegex(ran.stdout.decode(), r"(?m)^ +[\d.]+ (B|KiB|MiB) in \d+ more$")

    def test_json(self):
        with Program("") as program:
            ran = self.rss(program.pid, "--json")
        document = json.loads(ran.stdout)
        self.assertEqual((ran.returncode, document["schema"], document["pid"]), (0, 1, program.pid))
        self.assertEqual(document["totals"]["size"], sum(row["size"] for row in document["rows"]))
        self.assertEqual(set(document["rows"][0]), {"kind", "name", "size", "detail", "advice"})
        self.assertLessEqual({row["kind"] for row in document["rows"]}, set(KINDS))
        self.assertIsNone(document["traced"])

    def test_black_box(self):
        """The tracer's own count stands beside the rows, and its file is a row."""
        box = self.folder / "program.box"
        source = f"""
            import ctracemalloc
            ctracemalloc.start(black_box={str(box)!r})
            held = [bytearray(1000) for i in range(3000)]
        """
        with Program(source) as program:
            document = json.loads(self.rss(program.pid, "--json").stdout)
            text = self.rss(program.pid).stdout.decode()
        self.assertGreater(document["traced"]["size"], 3_000_000)
        self.assertIn(str(box), [row["name"] for row in document["rows"] if row["kind"] == "tracer"])
        self.assertRegex(text, r"(?m)^  traced +[\d.]+ [KM]iB live")

    def test_errors(self):
        for argument, status, message in (
            ("none", 2, "'none' is not a process id"),
            ("0", 2, "'0' is not a process id"),
            ("2147483646", 3, "there is no process 2147483646"),
        ):
            ran = self.rss(argument)
            self.assertEqual((ran.returncode, ran.stdout), (status, b""))
            self.assertIn(message, ran.stderr.decode())


class TestParts(unittest.TestCase):
    def test_words_for_every_code(self):
        self.assertEqual(set(TITLES), set(KINDS))
        self.assertEqual(set(ADVICE) | {""}, set(KINDS.values()))

    def test_unknown_is_said(self):
        result = ctracemalloc.resident_memory()._replace(unknown=tuple(UNKNOWN), swap=5 * MB, hugetlb=2 * MB)
        text = "\n".join(format_resident(result, 0, Style(color=False)))
        self.assertEqual(text.count("  unknown  "), len(UNKNOWN))
        self.assertIn("5120 KiB more are in swap", text)
        self.assertIn("2048 KiB more are in reserved huge pages", text)

    def test_memory_that_may_not_be_read(self):
        """Then the anonymous memory is a row of its own, and is not called unexplained."""
        original = measure.Memory
        measure.Memory = refuse
        try:
            result = ctracemalloc.resident_memory()
        finally:
            measure.Memory = original
        self.assertEqual(result.unknown, ("memory",))
        self.assertEqual(result.unexplained, 0)
        self.assertGreater(sizes_of(result)["not_read"], MB)

    def test_areas(self):
        text = b"""\
00400000-00500000 r-xp 00000000 08:01 77         /a\\012b c (deleted)
Rss:                  12 kB
Swap:                  4 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0000200000 rw-s 00000000 00:0f 5    /anon_hugepage (deleted)
Rss:                   0 kB
Shared_Hugetlb:     2048 kB
VmFlags: rd wr sh ht
7f0000200000-7f0000300000 rw-p 00000000 00:00 0    [anon: a name]
Rss:                   8 kB
7f0000300000-7f0000400000 rw-s 00000000 00:01 9    /dev/shm/x
Rss:                   8 kB
7f0000400000-7f0000500000 rw-p 00000000 00:00 0
Rss:                   8 kB
"""
        file, huge, named, shared, anonymous = parse_areas(text)
        self.assertEqual((file.name, file.inode, file.resident, file.swap), ("/a\nb c (deleted)", 77, 12288, 4096))
        self.assertEqual((file.start, file.end), (0x400000, 0x500000))
        self.assertEqual((file.is_file, file.is_anonymous, file.counted), (True, False, True))
        self.assertEqual((huge.counted, huge.hugetlb), (False, 2 * MB))
        self.assertEqual((named.name, named.is_file, named.is_anonymous), ("[anon: a name]", False, False))
        self.assertEqual((shared.is_shared_memory, shared.is_file), (True, False))
        self.assertEqual((anonymous.name, anonymous.is_anonymous), ("", True))

    def test_pages_of_both_ways(self):
        """Memory with known pages: every second page is written, every third is read only."""
        with mmap.mmap(-1, 64 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            start = array("Q", memoryview_address(memory))[0]
            for page in range(64):
                if page % 2 == 0:
                    memory[page * PAGE] = 1
                elif page % 3 == 0:
                    self.assertEqual(memory[page * PAGE], 0)
            areas = read_areas(os.getpid())
            for scan in (True, False):
                pages = read_pages(os.getpid(), areas, scan)
                found = [page for page in range(64) if pages.resident(start + page * PAGE, start + page * PAGE + PAGE)]
                self.assertEqual(found, list(range(0, 64, 2)), f"scan={scan}")

    def test_runs(self):
        """Pages against a set of addresses."""
        numbers = random.Random(7)
        pages, resident, position = Pages(), set(), 0
        for _ in range(40):
            start = position + numbers.randint(0, 3)
            position = start + numbers.randint(1, 4)
            pages.add(start, position, numbers.random() < 0.5)
            resident |= set(range(start, position))
        for _ in range(500):
            start = numbers.randint(0, position + 3)
            end = numbers.randint(start, position + 5)
            expected = resident & set(range(start, end))
            self.assertEqual(pages.resident(start, end), len(expected))
            self.assertEqual({one for run in pages.runs(start, end) for one in range(*run)}, expected)
            self.assertEqual(pages.following(start, end), min(expected, default=end))
            self.assertLessEqual(pages.resident_of_file(start, end), len(expected))

    def test_shares(self):
        """Shares against a set of addresses."""
        numbers = random.Random(8)
        free = set(range(10, 50)) | set(range(60, 90))
        shares = Shares([(10, 30), (30, 50), (60, 90)])
        self.assertEqual(list(shares), [(10, 50), (60, 90)])
        for _ in range(60):
            start = numbers.randint(0, 95)
            end = start + numbers.randint(0, 8)
            whole = set(range(start, end))
            self.assertEqual({one for part in shares.parts(start, end) for one in range(*part)}, whole & free)
            self.assertEqual(shares.contains(start, end), bool(whole) and whole <= free)
            self.assertEqual({one for part in shares.take(start, end) for one in range(*part)}, whole & free)
            free -= whole
            self.assertEqual({one for part in shares for one in range(*part)}, free)

    def test_parameters_of_both_layouts(self):
        base, heaps = 0x5000, [(0x5000, 0x9000)]
        now = array("Q", [0, 3, 3 << 32, 3 << 32 | 65536, 0, 3 * PAGE, 3 * PAGE, base])
        before = array("Q", [0, 0, 8, 65536 << 32 | 3, 3, 3 * PAGE, 3 * PAGE, base])
        neither = array("Q", [0, 0, 8, 65536 << 32 | 4, 3, 3 * PAGE, 3 * PAGE, base])
        for words in (now, before):
            self.assertEqual(glibc.find_parameters([(0, words)], heaps), glibc.Parameters(base, 3, 3 * PAGE))
        self.assertIsNone(glibc.find_parameters([(0, neither)], heaps))


class TestChunkWalk(unittest.TestCase):
    """_walk_chunks() over a row of chunks that the test has made."""

    def walk(self, chunks, resident=None, end=None, reads_all=True):
        """chunks: (size, is in use)."""
        words, before_in_use, before = array("Q"), 1, 0
        for size, in_use in chunks:
            words.extend([0 if before_in_use else before, size | before_in_use, *[0] * (size // 8 - 2)])
            before_in_use, before = int(in_use), size
        words.append(0)  # chunks begin at multiples of 16, and an array may not
        self.words = words
        start = words.buffer_info()[0]
        stop = start + sum(size for size, _ in chunks) if end is None else start + end
        runs = array("Q", [start + offset for run in resident or [(0, stop - start)] for offset in run])
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            position, in_use, free, last, rest, number = _ctracemalloc._walk_chunks(
                memory.fileno(), start, stop, runs, reads_all
            )
        return position - start, in_use, free, last - start, rest, number

    def test_sums(self):
        chunks = [(32, True), (64, False), (48, True), (4096, False)]
        self.assertEqual(self.walk(chunks), (4240, 80, 64, 144, 4096, 4))

    def test_resident(self):
        chunks = [(32, True), (64, False), (48, True), (96, True), (128, False)]
        self.assertEqual(self.walk(chunks, [(16, 40), (90, 250)]), (368, 16 + 48 + 96, 8 + 6, 240, 10, 5))

    def test_only_resident_pages_are_read(self):
        chunks = [(32, True), (64, False), (48, True), (96, True)]
        self.assertEqual(self.walk(chunks, [(0, 40), (40, 112)], reads_all=False), (144, 32, 64, 96, 16, 3))

    def test_random(self):
        numbers = random.Random(9)
        for _ in range(20):
            chunks = [(16 * numbers.randint(2, 400), numbers.random() < 0.5) for _ in range(300)]
            runs, position, total = [], 0, sum(size for size, _ in chunks)
            while position < total:
                start = position + numbers.randint(0, 5000)
                position = start + numbers.randint(1, 5000)
                runs.append((start, position))
            pages = Pages()
            for start, end in runs:
                pages.add(start, end, False)
            expected, place = {True: 0, False: 0}, 0
            for size, in_use in chunks[:-1]:
                expected[in_use] += pages.resident(place, place + size)
                place += size
            found = self.walk(chunks, runs)
            self.assertEqual(found, (total, expected[True], expected[False], place, pages.resident(place, total), 300))

    def test_no_chunk(self):
        self.assertEqual(self.walk([(32, True), (16, True), (64, True)]), (32, 0, 0, 0, 32, 1))  # too small
        self.assertEqual(self.walk([(32, True), (64, True)], end=80), (32, 0, 0, 0, 32, 1))  # beyond the end
        self.assertEqual(self.walk([(32, True), (66, True)]), (32, 0, 0, 0, 32, 1))  # IS_MMAPPED
        self.assertEqual(self.walk([(32, True)], end=8)[5], 0)

    def test_unreadable_memory(self):
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            self.assertEqual(_ctracemalloc._walk_chunks(memory.fileno(), 16, 4096, array("Q"), True), (16, 0, 0, 0, 0, 0))
            with self.assertRaises(ValueError):
                _ctracemalloc._walk_chunks(memory.fileno(), 32, 16, array("Q"), True)
            with self.assertRaises(ValueError):
                _ctracemalloc._walk_chunks(memory.fileno(), 16, 32, array("Q", [1]), True)


def refuse(pid, pages):
    raise PermissionError


def memoryview_address(memory):
    """The address of a mapping, as bytes of a word."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory)).to_bytes(8, sys.byteorder)


if __name__ == "__main__":
    unittest.main()
