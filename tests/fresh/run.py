"""The README's commands in new Debian releases (`make test-fresh`).

Model: each release is a new folder (tools/chroots.py) without Python, compiler and make. The sources are the files that
git tracks or would add, as they are now. In the folder, in this order:

1. with make alone, `make demo` and `make test` refuse to run, and name every package that is needed;
2. the README's line of packages is installed; an incomplete virtual environment is put where the demo's will be;
3. `make demo` works, within a minute of processor time and 60 MB of files, and works again without a network;
4. `make test` names the optional packages, and runs. Only SUITES, without the packages that some tests use, which are ten
   times as large as all the rest.

The time that counts is processor time, because the machine may be busy. Both times are printed.

usage: run.py [--only RELEASE]…
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
import chroots

ROOT = Path(__file__).resolve().parent.parent.parent
RELEASES = ("bookworm", "trixie", "sid")
SUITES = "layers driver parity demo libctm:gcc"
DEMO_SECONDS, DEMO_MEGABYTES = 60, 60
COULD_NOT_RUN = 77
INSIDE = "/home/ctm"
NEEDED = ("cmake", "gcc", "libc6-dev", "ninja-build", "python3-dev", "python3-venv")


class Result:
    def __init__(self, release):
        self.release, self.passed, self.failed, self.skipped = release, 0, 0, 0

    def check(self, what, good, detail=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'}  {self.release}: {what}{': ' + detail if detail else ''}", flush=True)
        return good


def readme_line():
    """The README's one line of packages, unchanged, without sudo."""
    found = re.findall(r"^(?:sudo )?(apt-get install .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    if len(found) != 1:
        raise chroots.Failed(f"README.md has {len(found)} lines of apt-get install, not one")
    return found[0]


def copy_sources(target):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE)
    if listed.returncode != 0:  # not a clone
        chroots.copy_tree(ROOT, target)
        return
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, copy = ROOT / name, target / name
        if source.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)


def megabytes(folder):
    done = subprocess.run(["du", "-sxm", str(folder)], stdout=subprocess.PIPE, text=True)
    return int(done.stdout.split()[0])


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(folder, words, log, timeout=3600, outside=()):
    """(exit status, output) of a command in the sources; `outside`: the command that runs the one which enters the folder."""
    log.write(f"$ {' '.join(words)}\n".encode())
    done = subprocess.run(
        [*outside, *chroots.enter(folder, words, INSIDE)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
    )
    log.write(done.stdout)
    log.flush()
    return done.returncode, done.stdout.decode(errors="replace")


# --- the steps ---


def check_refusals(folder, result, log):
    for command in ("demo", "test"):
        status, output = run(folder, ["make", command], log)
        named = [package for package in NEEDED if re.search(rf"apt-get install .*\b{package}\b", output)]
        good = status != 0 and len(named) == len(NEEDED)
        result.check(f"make {command} without packages names them", good, "" if good else output.strip()[-300:])


def lay_half_made_environment(folder):
    """What an interrupted `python3 -m venv` leaves behind: an interpreter without pip."""
    for path in Path(folder, "usr", "bin").glob("python3.[0-9]*"):
        version = path.name[len("python") :]
        if re.fullmatch(r"3\.\d+", version):
            binaries = Path(folder, INSIDE[1:], "build", "venv-demo-" + version, "bin")
            binaries.mkdir(parents=True, exist_ok=True)
            (binaries / "python").symlink_to("/usr/bin/" + path.name)


def check_demo(folder, result, log):
    before, size, started = processor_seconds(), megabytes(folder), time.monotonic()
    status, output = run(folder, ["make", "demo"], log)
    seconds, grown = processor_seconds() - before, megabytes(folder) - size
    lines = output.strip().splitlines()
    good = status == 0 and "compile_stdlib.py" in output and "at the peak" in output
    result.check("make demo", good, "" if good else "\n".join(lines[-5:]))
    took = f"{seconds:.0f} s of processor time, {time.monotonic() - started:.0f} s in all"
    result.check(f"within {DEMO_SECONDS} s", seconds <= DEMO_SECONDS, took)
    result.check(f"within {DEMO_MEGABYTES} MB", grown <= DEMO_MEGABYTES, f"{grown} MB of files")
    status, output = run(folder, ["make", "demo"], log, outside=["unshare", "--net"])
    good = status == 0 and "at the peak" in output
    result.check("make demo again, without a network", good, "" if good else output.strip()[-300:])


def check_tests(folder, result, log):
    status, output = run(folder, ["make", "test", "LIGHT=1", f"ONLY={SUITES}"], log)
    lines = output.strip().splitlines()
    first = "\n".join(lines[:3])
    result.check("make test says what it lacks before it starts", "apt-get install" in first and "valgrind" in first, first)
    counted = re.match(r"(\d+) passed, (\d+) failed, \d+ skipped", lines[-1] if lines else "")
    good = status == 0 and counted and int(counted[1]) > 0
    result.check(f"make test ({SUITES})", good, lines[-1] if lines else "no output")


def try_release(release, result, log):
    with tempfile.TemporaryDirectory(prefix="ctm-fresh-", dir=os.environ.get("CTM_FRESH")) as scratch:
        folder = Path(scratch, release)
        chroots.make_folder(folder, release, log, bare=True)
        chroots.apt_get(folder, ["update"], log)
        copy_sources(folder / INSIDE[1:])
        chroots.install(folder, ["make"], log)
        check_refusals(folder, result, log)
        size = megabytes(folder)
        words = ["sh", "-c", readme_line().replace("install ", "install -y ", 1)]
        status, output = run(folder, ["env", "DEBIAN_FRONTEND=noninteractive", *words], log)
        chroots.copy_network_files(folder)
        detail = f"{megabytes(folder) - size} MB of packages" if status == 0 else output.strip()[-300:]
        if result.check("the README's line of packages", status == 0, detail):
            lay_half_made_environment(folder)
            check_demo(folder, result, log)
            check_tests(folder, result, log)


def main():
    parser = argparse.ArgumentParser(description="Runs the README's commands in new Debian releases.")
    parser.add_argument("--only", action="append", choices=RELEASES, help="this release")
    options = parser.parse_args()
    logs = ROOT / "build" / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    results = [Result(release) for release in options.only or RELEASES]
    for result in results:
        with open(logs / f"fresh-{result.release}.log", "wb") as log:
            try:
                try_release(result.release, result, log)
            except chroots.NotPossible as reason:
                print(reason)
                return COULD_NOT_RUN
            except (chroots.Failed, subprocess.TimeoutExpired) as error:
                result.check("went through", False, f"{error}: see {log.name}")
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    print(f"::counts passed={passed} failed={failed} skipped=0", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
