"""The two ways to follow announced blocks: a detour in the interpreter's code, and the callers' tables."""

import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ScriptTest, ctracemalloc_only, needs
from test_track import TrackTest

ROOT = Path(__file__).resolve().parent.parent.parent
FIXTURES = ROOT / "tests" / "pyext" / "fixtures"
X86_64 = platform.machine() == "x86_64" and sys.maxsize > 2**32
JUMP, TABLE = 1, 2
PR_SET_MDWE = 65  # memory cannot become executable later: Linux 6.3

# Two libraries with a function of the same name; the first calls the next one and announces a block.
FIRST = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
extern int PyTraceMalloc_Track(unsigned int, uintptr_t, unsigned long);
int ctm_which(void) { return 1; }
int next_one(void)
{
    int (*next)(void) = (int (*)(void))dlsym(RTLD_NEXT, "ctm_which");
    return next != 0 ? next() : -1;
}
int no_such_name(void) { return dlsym(RTLD_NEXT, "ctm_nothing") == 0 && dlerror() != 0; }
static int (*the_pointer)(unsigned int, uintptr_t, unsigned long) = PyTraceMalloc_Track;
int by_call(unsigned long size) { return PyTraceMalloc_Track(91, 0x1230, size); }
int by_pointer(unsigned long size) { return the_pointer(92, 0x1230, size); }
int by_name(unsigned long size)
{
    int (*track)(unsigned int, uintptr_t, unsigned long) =
        (int (*)(unsigned int, uintptr_t, unsigned long))dlsym(RTLD_DEFAULT, "PyTraceMalloc_Track");
    return track(93, 0x1230, size);
}
"""
SECOND = "int ctm_which(void) { return 2; }\n"


def compiler():
    return shlex.split(os.environ.get("CC", "gcc"))


def mdwe_reason():
    """Why this kernel cannot forbid that memory becomes executable; empty if it can."""
    script = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0) != 0)"
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False)
    return "" if done.returncode == 0 else "this kernel has no PR_SET_MDWE (Linux 6.3 and newer have it)"


class Forced(TrackTest):
    """The tests of announced blocks, with one of the two ways forced."""

    way = 0

    def check(self, source, expected="good\n", **options):
        lines = source.splitlines()
        indent = next(line[: len(line) - len(line.lstrip())] for line in lines if line.strip())
        force = f"{indent}tm._ctracemalloc._announced_by({self.way})"
        super().check("\n".join([force, *lines]), expected, **options)


@ctracemalloc_only
@unittest.skipUnless(X86_64, "code is changed on x86-64 only")
class JumpTest(Forced):
    way = JUMP


@ctracemalloc_only
class TableTest(Forced):
    way = TABLE


del Forced, TrackTest  # inherited here; their own tests run in the module that defines them


@ctracemalloc_only
class WayTest(ScriptTest):
    def test_the_doctor_names_the_way(self):
        for way, words in ((JUMP, "by a jump"), (TABLE, "by their callers' tables")):
            if way == JUMP and not X86_64:
                continue
            self.check(f"""
                tm._ctracemalloc._announced_by({way})
                for n in range(3):
                    fact = tm._doctor()["tracked_blocks"]
                    assert fact["ok"] and {words!r} in fact["detail"], fact
                try:
                    tm._ctracemalloc._announced_by({JUMP + TABLE - way})
                except RuntimeError:
                    print("good")
                """)

    @needs("numpy")
    def test_numpy_loaded_before_and_after(self):
        for way in (JUMP, TABLE) if X86_64 else (TABLE,):
            for first in ("import numpy", "tm.start(3)"):
                self.check(f"""
                    tm._ctracemalloc._announced_by({way})
                    {first}
                    tm.start(3)
                    import numpy
                    held = [numpy.ones(1_000_003 * n, dtype="u1") for n in range(1, 9)]
                    def big():
                        return sorted((t.domain, t.size) for t in tm.take_snapshot().traces if t.size > 1_000_000)
                    assert big() == [(389047, 1_000_003 * n) for n in range(1, 9)], big()
                    del held
                    assert big() == [], big()
                    print("good")
                    """)

    def test_code_must_not_be_written(self):
        reason = mdwe_reason()
        if reason:
            self.skipTest(reason)
        self.check(f"""
            import ctypes, ctmfixture
            assert ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0) == 0
            tm.start(2)
            assert ctmfixture.track(77, 0x1000, 4321) == 0
            assert total(tm.take_snapshot(), 77) == 4321
            fact = tm._doctor()["tracked_blocks"]
            assert fact["ok"] and "tables" in fact["detail"], fact
            print("good")
            """)

    @unittest.skipUnless(X86_64, "code is changed on x86-64 only")
    def test_another_tool_has_redirected_the_function(self):
        self.check("""
            import ctypes, ctmfixture, mmap
            libc = ctypes.CDLL(None)
            libc.mmap.restype = ctypes.c_size_t
            libc.mmap.argtypes = [ctypes.c_size_t, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
            libc.mprotect.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
            address = ctypes.cast(ctypes.pythonapi.PyTraceMalloc_Track, ctypes.c_void_p).value
            page = address & -mmap.PAGESIZE
            for distance in range(1 << 24, 1 << 30, 1 << 24):  # another tool's function, which its jump can reach
                stub = libc.mmap(page + distance, 4096, 7, 0x100022, -1, 0)
                if stub == page + distance:
                    break
            ctypes.memmove(stub, b"\\xb8\\xfe\\xff\\xff\\xff\\xc3", 6)  # return -2
            assert libc.mprotect(page, 2 * mmap.PAGESIZE, 7) == 0
            theirs = b"\\xe9" + (stub - address - 5).to_bytes(4, "little", signed=True)
            ctypes.memmove(address, theirs, 5)
            for n in range(3):
                tm.start(2)
                assert ctmfixture.track(77, 0x1000, 4321) == 0
                assert total(tm.take_snapshot(), 77) == 4321
                fact = tm._doctor()["tracked_blocks"]
                assert fact["ok"] and "tables" in fact["detail"], fact
                assert ctypes.string_at(address, 5) == theirs
                tm.stop()
                assert ctmfixture.track(77, 0x1000, 4321) == -2
            print("good")
            """)


@ctracemalloc_only
class LoaderTest(ScriptTest):
    """Libraries that are loaded while announced blocks are followed through the callers' tables."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        for name, source, more in (("second", SECOND, []), ("first", FIRST, ["-L.", "-lsecond", "-Wl,-rpath,$ORIGIN"])):
            Path(cls.folder, f"{name}.c").write_text(source, encoding="utf-8")
            for binding in ("lazy", "now") if name == "first" else ("",):
                library = f"lib{name}{binding}.so"
                flags = ["-shared", "-fPIC", "-O1", "-Wl,--no-as-needed", *([f"-Wl,-z,{binding}"] if binding else [])]
                command = [*compiler(), *flags, f"{name}.c", "-o", library, *more]
                subprocess.run(command, cwd=cls.folder, check=True)

    def check_library(self, binding, way):
        self.check(f"""
            import ctypes
            tm._ctracemalloc._announced_by({way})
            early = {way} == {JUMP} and ctypes.CDLL({self.folder + "/libfirst" + binding + ".so"!r})
            tm.start(2)
            for n in range(1, 4):
                library = ctypes.PyDLL({self.folder + "/libfirst" + binding + ".so"!r})
                assert library.ctm_which() == 1
                assert library.next_one() == 2, "RTLD_NEXT is seen from another library"
                assert library.no_such_name() == 1
                assert (library.by_call(n), library.by_pointer(n * 10), library.by_name(n * 100)) == (0, 0, 0)
                snapshot = tm.take_snapshot()
                sizes = total(snapshot, 91), total(snapshot, 92), total(snapshot, 93)
                assert sizes == (n, n * 10, n * 100), sizes
                if not early:
                    import _ctypes
                    handle = library._handle
                    del library
                    _ctypes.dlclose(handle)
            python = ctypes.pythonapi.PyTraceMalloc_Track
            python.argtypes = [ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t]
            assert python(94, 0x1230, 55) == 0 and total(tm.take_snapshot(), 94) == 55
            print("good")
            """)

    def test_bound_when_called(self):
        self.check_library("lazy", TABLE)

    def test_bound_when_loaded(self):
        self.check_library("now", TABLE)

    @unittest.skipUnless(X86_64, "code is changed on x86-64 only")
    def test_by_the_jump(self):
        self.check_library("lazy", JUMP)
        self.check_library("now", JUMP)

    def test_threads_that_load_and_fork(self):
        self.check(f"""
            import ctypes, _ctypes, ctmfixture
            tm._ctracemalloc._announced_by({TABLE})
            tm.start(1)
            libc, end = ctypes.CDLL(None), []
            def load(name):
                while not end:
                    library = ctypes.CDLL({self.folder!r} + "/" + name)
                    assert library.ctm_which() in (1, 2)
                    _ctypes.dlclose(library._handle)
            def look():
                while not end:
                    assert libc.getpid() and ctypes.CDLL(None).getppid()
            names = ("libfirstlazy.so", "libfirstnow.so", "libsecond.so")
            threads = [threading.Thread(target=load, args=(name,)) for name in names] + [threading.Thread(target=look)]
            for thread in threads: thread.start()
            for n in range(30):
                pid = os.fork()
                if pid == 0:
                    status = ctypes.CDLL({self.folder!r} + "/libfirstnow.so").by_call(7)
                    os._exit(0 if status == 0 and total(tm.take_snapshot(), 91) == 7 else 1)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            end.append(1)
            for thread in threads: thread.join()
            print("good")
            """)


@unittest.skipUnless(X86_64, "code is changed on x86-64 only")
class ShapesTest(unittest.TestCase):
    def test_shapes_of_functions(self):
        """Functions that begin as compilers begin them get detours while they run: see detour_shapes.c."""
        zydis = ROOT / "third_party" / "zydis"
        patch = ROOT / "src" / "pyext" / "capture" / "patch"
        includes = [ROOT / "src" / "pyext", zydis / "zydis" / "include", zydis / "zydis" / "src", zydis / "zycore" / "include"]
        sources = [FIXTURES / "detour_shapes.c", patch / "detour.c", patch / "prologue.c"]
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "shapes")
            flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-rdynamic"]
            described = (ROOT / "cmake" / "zydis.cmake").read_text(encoding="utf-8")
            macros = [f"-D{name}" for name in re.findall(r"\bZY(?:DIS|CORE)_\w+", described)]
            self.assertIn("-DZYDIS_STATIC_BUILD", macros)
            warnings = ["-Wall", "-Wextra", "-Werror"]
            command = [*compiler(), *flags, *warnings, *macros, *(f"-I{path}" for path in includes)]
            command += [*map(str, sources), *map(str, sorted((zydis / "zydis" / "src").glob("*.c"))), "-o", str(program)]
            environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
            subprocess.run(command, check=True, env=environment)
            done = subprocess.run([program], capture_output=True, text=True, timeout=300, env=environment, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\A[1-9][0-9]+ checks, 0 failed\n\Z")


if __name__ == "__main__":
    unittest.main()
