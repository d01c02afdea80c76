#!/usr/bin/env python3
"""Builds the fuzz targets of the C core (tests/fuzz/fuzz_*.c) with clang's libFuzzer and lets each run for a while.

usage: run_fuzz.py [--seconds N] [--target NAME]

Each begins with its seeds (tests/fuzz/seeds/NAME) and with the corpus of earlier runs in build/fuzz/corpus/NAME. An input that
breaks a target is left in build/fuzz/found; once it is fixed it belongs into the seeds, as found-SOMETHING.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "fuzz"
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
SECONDS_EACH_INPUT = 20


def could_not_run(reason):
    print(reason)
    sys.exit(77)


def need_libfuzzer():
    for program in ("cmake", "clang"):
        if shutil.which(program) is None:
            could_not_run(f"{program} is not installed")
    source = "#include <stddef.h>\nint LLVMFuzzerTestOneInput(const char *a, size_t n) { return a && n ? 0 : 0; }\n"
    command = ["clang", "-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", os.devnull]
    done = subprocess.run(command, input=source, capture_output=True, text=True)
    if done.returncode != 0:
        could_not_run("clang has no libFuzzer here (Debian: libclang-rt-14-dev, or that of clang's version)")


def build(names):
    options = ["-DCMAKE_C_COMPILER=clang", "-DCTM_FUZZ=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    subprocess.run(["cmake", "-S", ROOT, "-B", FOLDER, *options], check=True, stdout=subprocess.DEVNULL)
    targets = ["fuzz_" + name for name in names]
    subprocess.run(["cmake", "--build", FOLDER, "-j2", "--target", *targets], check=True)


def fuzz(name, seconds):
    """True if nothing was found."""
    corpus, seeds = FOLDER / "corpus" / name, ROOT / "tests" / "fuzz" / "seeds" / name
    found = FOLDER / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    print(f"--- {name}: {seconds} s", flush=True)
    options = [f"-max_total_time={seconds}", f"-timeout={SECONDS_EACH_INPUT}", "-rss_limit_mb=2048", "-max_len=8192"]
    options += ["-print_final_stats=1", f"-artifact_prefix={found}/{name}-"]
    folders = [str(folder) for folder in (corpus, seeds) if folder.is_dir()]
    done = subprocess.run(
        [str(FOLDER / ("fuzz_" + name)), *options, *folders],
        env={**os.environ, **SANITIZERS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = [line for line in done.stdout.splitlines() if "NEW " not in line and "REDUCE" not in line]
    print("\n".join(lines[-60:]), flush=True)
    return done.returncode == 0


def main():
    every = sorted(path.stem[len("fuzz_") :] for path in (ROOT / "tests" / "fuzz").glob("fuzz_*.c"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", choices=every, action="append")
    options = parser.parse_args()
    names = options.target or every
    need_libfuzzer()
    build(names)
    passed = [name for name in names if fuzz(name, options.seconds)]
    failed = [name for name in names if name not in passed]
    for name in failed:
        print(f"{name}: broken; the input is in build/fuzz/found")
    print(f"::counts passed={len(passed)} failed={len(failed)} skipped=0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
