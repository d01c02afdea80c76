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
from xml.etree import ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VALGRIND = [
    "valgrind",
    "-q",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect",
    # If a handler repairs a fault, the program can continue only with the registers of the access.
    "--vex-iropt-register-updates=allregs-at-mem-access",
]
VARIANTS = {  # compiler, sanitizers, the command that runs the tests' programs
    "gcc": ("gcc", "", []),
    "clang": ("clang", "", []),
    "asan": ("gcc", "address;undefined", []),
    "tsan": ("gcc", "thread", []),
    "valgrind": ("gcc", "", VALGRIND),
}
# Under the thread sanitizer these take minutes and have one thread: there is nothing for it to find.
ONE_THREAD = r"black_box_continue|recording_fuzz|file_damage|sampling\.unbiased|query\.(statistics|filter)\.random"
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
    compiler, sanitizers, launcher = VARIANTS[variant]
    need("cmake", compiler, *launcher[:1])
    werror = "ON" if os.environ.get("CTM_WERROR") == "1" else "OFF"
    options = [f"-DCMAKE_C_COMPILER={compiler}", f"-DCTM_SANITIZE={sanitizers}", f"-DCTM_WERROR={werror}"]
    options.append(f"-DCTM_TEST_LAUNCHER={';'.join(launcher)}")
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *options], check=True)
    subprocess.run(["cmake", "--build", folder, "-j2"], check=True)


def ctest(folder, left_out=""):
    """(exit status, passed, failed, skipped)"""
    results = os.path.join(folder, "results.xml")
    command = ["ctest", "--test-dir", folder, "--output-on-failure", "--output-junit", results]
    if left_out:
        command += ["-E", left_out]
        print(f"::skip libctm:tsan: {left_out}: they have one thread; with CTM_LONG=1")
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT})
    failed = skipped = passed = 0
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        if case.get("status") == "run":
            passed += 1
        elif case.find("skipped") is not None:
            skipped += 1
            print(f"::skip {case.get('name')}: {reason_of(case)}")
        else:
            failed += 1
    return done.returncode, passed, failed, skipped


def reason_of(case):
    """acutest's line is "FILE:LINE: REASON... skipped"."""
    found = re.search(r"^ *\S+:\d+: (.*)\.\.\. skipped$", case.findtext("system-out") or "", re.M)
    return found[1] if found else "it does not say why"


def consumer(folder):
    """Use the library as other projects do: installed, found by pkg-config and by CMake. None: not possible here."""
    lacking = [program for program in ("pkg-config", "nm") if shutil.which(program) is None]
    if lacking:
        print(f"::skip tests/consumer: {' and '.join(lacking)} not installed", flush=True)
        return None
    script = os.path.join(ROOT, "tests", "consumer", "run.sh")
    print("--- tests/consumer", flush=True)
    return subprocess.run(["bash", script], cwd=ROOT).returncode


def main():
    variant = sys.argv[1]
    folder = os.path.join(ROOT, "build", "core " + variant)  # with a space, as the folders of a user may be
    build(variant, folder)
    long = os.environ.get("CTM_LONG") == "1"
    status, passed, failed, skipped = ctest(folder, ONE_THREAD if variant == "tsan" and not long else "")
    if variant == "gcc":
        done = consumer(folder)
        passed, failed, skipped = passed + (done == 0), failed + bool(done), skipped + (done is None)
    failed = max(failed, int(status != 0))
    print(f"::counts passed={passed} failed={failed} skipped={skipped}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
