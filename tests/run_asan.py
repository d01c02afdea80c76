"""Runs the extension under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer.

Builds the package anew with these into build/asan-VERSION, then runs the extension's and the integration tests with it, and
with CTM_LONG=1 the package's. A leak counts if its stack has a frame of the extension.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "{}.{}".format(*sys.version_info)
PLACE = ROOT / "build" / f"asan-{VERSION}"
FLAGS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1"
EXTENSION = re.compile(r"_ctracemalloc|\bctm_")
# What the sanitizer itself changes: it refuses huge sizes in its own way, and walks the stack itself.
LEFT_OUT = {
    "test_fifty_thousand": "frames of the C stack are larger with a sanitizer",
    "test_recursion_through_c": "the C stack ends before the recursion limit",
    "test_more_frames": "frames of the C stack are larger with a sanitizer",
    "test_while_threads_allocate_without_the_gil": "this sanitizer's own allocator is left locked by a fork",
    "test_driver": "it does not use the extension",
}
CYCLES = """
import gc, sys
import ctracemalloc as tm
def cycle():
    tm.start(5)
    held = [[str(n), float(n)] for n in range(200)]
    old, snapshot = tm.take_snapshot(), tm.take_snapshot()
    for key in ("lineno", "filename", "traceback"):
        snapshot.statistics(key), snapshot.compare_to(old, key)
    snapshot.filter_traces([tm.Filter(False, "x")]).dump(sys.argv[1])
    tm.Snapshot.load(sys.argv[1])
    [str(trace) for trace in snapshot.traces][:3], snapshot.traces[0].traceback.format()
    tm.get_object_traceback(held)
    tm.clear_traces()
    tm.stop()
for _ in range(100):
    cycle()
gc.collect()
"""


def library(compiler, name):
    path = subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip()
    if not os.path.isabs(path):
        print(f"{compiler} has no {name}")
        sys.exit(77)
    return os.path.realpath(path)


def build():
    shutil.rmtree(PLACE, ignore_errors=True)
    env = {
        **os.environ,
        "CFLAGS": FLAGS,
        "LDFLAGS": "-fsanitize=address,undefined",
        "CC": "gcc",
        "CTM_DEBUG": "1",
        "CTM_ASSERTS": "1",
    }
    target = PLACE / "site"
    own_folder = f"--config-settings=build-dir={PLACE / 'objects'}"  # a plain build has its own objects
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", own_folder, "--target", target, ROOT]
    subprocess.run(pip, check=True, env=env)
    return target


def environment(target, leaks):
    preload = [library("gcc", "libasan.so"), library("gcc", "libubsan.so")]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(preload),
        "PYTHONPATH": str(target),
        "PYTHONMALLOC": "malloc",
        "CTM_SANITIZED": "1",
        # The tests have programs that are killed by a signal, or handle one.
        "ASAN_OPTIONS": f"detect_leaks={int(leaks)}:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:"
        "max_allocation_size_mb=65536:detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "LSAN_OPTIONS": "exitcode=23",
    }


def leaks_of_extension(report):
    """The reports of leaks whose stack of the allocation has a frame of the extension."""
    blocks = re.split(r"\n\n", report)
    return [block for block in blocks if re.search(r"leak of \d+ byte", block) and EXTENSION.search(block)]


def check_leaks(target):
    scratch = str(PLACE / "snapshot")
    env = environment(target, leaks=True)
    done = subprocess.run([sys.executable, "-c", CYCLES, scratch], env=env, capture_output=True, text=True)
    found = leaks_of_extension(done.stderr)
    print(done.stderr[-2000:])
    for block in found:
        print("LEAK " + block)
    return not found and done.returncode in (0, 23)


def run_tests(target, folder, left_out=()):
    env = environment(target, leaks=False)
    wanted = " and ".join(f"not {name}" for name in left_out)
    command = [sys.executable, "-m", "pytest", "-v", "--timeout=1800", "-k", wanted, folder]
    done = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(done.stdout.replace("\n::counts", "\ncounts"), flush=True)  # the last line has the sum
    counts = re.search(r"^::counts passed=(\d+) failed=(\d+) skipped=(\d+)", done.stdout, re.M)
    if counts is None:
        return 0, 1, 0
    passed, failed, skipped = map(int, counts.groups())
    return passed, max(failed, int(done.returncode != 0)), skipped


def main():
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        print("not for a free-threaded build")
        sys.exit(77)
    target = build()
    passed, failed, skipped = (1, 0, 0) if check_leaks(target) else (0, 1, 0)
    print(f"leaks: {'none of ours' if passed else 'FOUND'}", flush=True)
    for name, reason in LEFT_OUT.items():
        print(f"::skip {name}…: {reason}")
        skipped += 1
    folders = ["tests/pyext", "tests/integration"]
    if os.environ.get("CTM_LONG") == "1":
        folders.append("tests/package")
    else:
        print("::skip tests/package: with CTM_LONG=1; it takes too long for CI, which has 40 minutes")
        skipped += 1
    for folder in folders:
        counts = run_tests(target, folder, LEFT_OUT)
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
    print(f"::counts passed={passed} failed={failed} skipped={skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
