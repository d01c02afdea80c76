#!/usr/bin/env python3
"""Builds the C core with CMake in one variant and runs its tests.

usage: run_libctm.py gcc | clang | asan | tsan | valgrind

CTM_WERROR=1 in the environment turns warnings into errors. The gcc variant also runs the test of an
installed library, tests/consumer.
"""

import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VARIANTS = {  # compiler, sanitizers
    "gcc": ("gcc", ""),
    "clang": ("clang", ""),
    "asan": ("gcc", "address;undefined"),
    "tsan": ("gcc", "thread"),
    "valgrind": ("gcc", ""),
}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def could_not_run(reason):
    print(reason)
    sys.exit(77)


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            could_not_run(f"{program} is not installed")


def build(variant, folder):
    compiler, sanitizers = VARIANTS[variant]
    need("cmake", compiler)
    werror = "ON" if os.environ.get("CTM_WERROR") == "1" else "OFF"
    options = [f"-DCMAKE_C_COMPILER={compiler}", f"-DCTM_SANITIZE={sanitizers}", f"-DCTM_WERROR={werror}"]
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *options], check=True)
    subprocess.run(["cmake", "--build", folder, "-j2"], check=True)


def ctest(folder):
    """(exit status, passed, failed, skipped)"""
    command = ["ctest", "--test-dir", folder, "--output-on-failure"]
    done = subprocess.run(
        command,
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    print(done.stdout, flush=True)
    lines = re.findall(r"^ *\d+/\d+ Test +#\d+: .*$", done.stdout, re.M)
    passed = sum("Passed" in line for line in lines)
    skipped = sum("Skipped" in line for line in lines)
    return done.returncode, passed, len(lines) - passed - skipped, skipped


def valgrind(folder):
    need("valgrind")
    passed = failed = 0
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not (name.startswith("libctm_asserts_test") and os.access(path, os.X_OK)):
            continue
        print("--- " + name, flush=True)
        options = ["--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"]
        # A program that goes on after a fault that its handler has mended needs its registers as they were at the access.
        options += ["--vex-iropt-register-updates=allregs-at-mem-access"]
        done = subprocess.run(["valgrind", "-q", *options, path], env={**os.environ, "CTM_TEST_SIZES": "small"})
        print(f"{name}: status {done.returncode}", flush=True)
        passed, failed = passed + (done.returncode == 0), failed + (done.returncode != 0)
    return failed, passed, failed, 0


def consumer(folder):
    """The library as somebody else uses it: installed, found by pkg-config and by CMake. None: cannot be tried here."""
    lacking = [program for program in ("pkg-config", "nm") if shutil.which(program) is None]
    if lacking:
        print(f"::skip tests/consumer: {' and '.join(lacking)} not installed", flush=True)
        return None
    script = os.path.join(ROOT, "tests", "consumer", "run.sh")
    print("--- tests/consumer", flush=True)
    return subprocess.run(["bash", script], cwd=ROOT).returncode


def main():
    variant = sys.argv[1]
    folder = os.path.join(ROOT, "build", "core-" + variant)
    build(variant, folder)
    status, passed, failed, skipped = valgrind(folder) if variant == "valgrind" else ctest(folder)
    if variant == "gcc":
        done = consumer(folder)
        passed, failed, skipped = passed + (done == 0), failed + bool(done), skipped + (done is None)
    failed = max(failed, int(status != 0))
    print(f"::counts passed={passed} failed={failed} skipped={skipped}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
