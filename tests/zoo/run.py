"""The zoo: this package on Pythons that others built, or that were built in other ways (`make test-zoo`).

Model: each member (members.py) is prepared as a Place, which has the path of its Python and of its copy of the sources.
On each the package is installed as a user would do, numpy is added where there is a wheel, and two things run:
tests/zoo/inside (the doctor, numpy's domain, free lists) and tests/integration/test_track.py. A member that is not available
is a skip with its reason; one that should have been built and was not is a failure.

Everything is stored in $CTM_ZOO (build/zoo): builds, Debian folders, logs/NAME.log.

usage: run.py [--small] [--only WORD]… [--ready] [--list]
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent.parent / "tools"))
import chroots
import members

import build

ROOT = build.ROOT

# `python`: its path inside; `tree`: the copy of the sources, its path here and inside; `folder`: a chroot or None.
Place = namedtuple("Place", "python tree inside folder")
STEP_SECONDS = 1200
OLD_NUMPY = "numpy==2.1.*"  # announces its blocks; newer ones allocate them with PyMem_RawMalloc
NO_WHEEL = ("No matching distribution found", "Could not find a version that satisfies")


class Counts:
    """The outcome of one member."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, []
        self.failures = []

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)

    def skip(self, why):
        self.skipped.append(why)


# --- places ---


def tree_for(name):
    tree = build.zoo_folder() / "trees" / name
    chroots.copy_tree(ROOT, tree)
    return tree


def place_of_shipped(member, log):
    folder = build.zoo_folder() / "chroots" / member.suite
    chroots.make_folder(folder, member.suite, log)
    chroots.apt_get(folder, ["update"], log)
    if not chroots.has_package(folder, member.packages[0]):
        raise build.NotPossible(f"Debian {member.suite} has no {member.packages[0]} any more")
    chroots.install(folder, ("gcc", "libc6-dev", "cmake", "ninja-build", *member.packages), log)
    inside = "/zoo/" + member.name
    tree = Path(str(folder) + inside)
    chroots.copy_tree(ROOT, tree)
    return Place("/usr/bin/python" + member.version, tree, inside, folder)


def place_of_found(member):
    command = ["tools/pythons.sh", member.version]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    python = listed.split()[1]
    if python == "-" or python.startswith("sid:"):
        raise build.NotPossible(f"this machine has no Python {member.version} (PATH, pyenv)")
    tree = tree_for(member.name)
    return Place(python, tree, str(tree), None)


def place_of(member, log, ready_only):
    if isinstance(member, members.Shipped):
        return place_of_shipped(member, log)
    if isinstance(member, members.Found):
        return place_of_found(member)
    if ready_only and not build.is_built(member):
        raise build.NotPossible("not built yet")
    python = build.built(member)
    tree = tree_for(member.name)
    return Place(str(python), tree, str(tree), None)


# --- steps ---


def own_environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CTM_", "CTRACEMALLOC"))}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def step(place, command, log, env=None):
    """(exit status or None if it did not end, output) of a command in the place's copy of the sources."""
    env = {**(env or {}), "PYTHONFAULTHANDLER": "1"}
    log.write(("$ %s\n" % " ".join(command)).encode())
    log.flush()
    options = {"cwd": place.tree, "env": {**own_environment(), **env}}
    if place.folder:
        command = chroots.enter(place.folder, command, place.inside, env)
        options = {}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STEP_SECONDS,
            **options,
        )
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        status, output = None, error.stdout or b""
    log.write(output)
    log.flush()
    return status, output.decode(errors="replace")


def pip(place, arguments, log):
    return step(place, ["build/venv/bin/python", "-m", "pip", "install", "-q", *arguments], log)


def must(place, command, log, counts):
    status, output = step(place, command, log)
    if status != 0:
        lines = output.strip().splitlines()
        counts.fail(f"{' '.join(command)[:90]}: status {status}: {lines[-1][:200] if lines else ''}")
    return status == 0


def add_numpy(place, log, counts):
    """Folders for CTM_ZOO_NUMPY; the newest numpy goes into the environment itself."""
    folders = []
    for what, target in (("numpy", None), (OLD_NUMPY, "build/numpy-old")):
        arguments = ["--only-binary", ":all:", *(["--target", target] if target else []), what]
        status, output = pip(place, arguments, log)
        if status == 0 and target:
            folders.append(place.inside + "/" + target)
        elif status != 0 and any(words in output for words in NO_WHEEL):
            how = " (announced by the test extension)" if target is None else ""
            counts.skip(f"{what} has no wheel for this Python{how}")
        elif status != 0:
            counts.fail(f"{what} could not be installed")
    return ":".join(folders)


def install(place, log, counts):
    venv = "build/venv/bin/python"
    return (
        must(place, [place.python, "-m", "venv", "--clear", "build/venv"], log, counts)
        and must(place, [venv, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", "."], log, counts)
        and must(place, [venv, "tests/pyext/fixtures/build.py"], log, counts)
    )


def run_tests(place, arguments, log, counts, env):
    """Run the tests with unittest: these Pythons have what they were shipped with, and no pytest."""
    command = ["build/venv/bin/python", "-m", "unittest", "discover", "-v", "-s", *arguments]
    status, output = step(place, command, log, env)
    counts.passed += len(re.findall(r" \.\.\. ok$", output, re.M))
    for reason in re.findall(r"^(.* \.\.\. skipped .*)$", output, re.M):
        counts.skip(reason)
    for line in re.findall(r"^(?:FAIL|ERROR): (.*)$", output, re.M):
        counts.fail(line)
    if status != 0 and not re.search(r"^(?:FAIL|ERROR): ", output, re.M):
        counts.fail(f"{' '.join(arguments)}: status {status}")
    for line in output.splitlines():
        if line.startswith("LOST"):
            print("      " + line, flush=True)


def try_member(member, log, options):
    counts = Counts()
    try:
        place = place_of(member, log, options.ready)
        if install(place, log, counts):
            env = {"CTM_ZOO_NUMPY": add_numpy(place, log, counts)}
            run_tests(place, ["tests/zoo/inside"], log, counts, env)
            run_tests(place, ["tests/integration", "-p", "test_track.py"], log, counts, env)
    except (build.NotPossible, chroots.NotPossible) as reason:
        counts.skip(str(reason))
    except (build.BuildFailed, chroots.Failed) as error:
        counts.fail(str(error))
    return counts


# --- all of it ---


def report(member, counts, seconds):
    word = "FAIL" if counts.failed else "PASS" if counts.passed else "SKIP"
    numbers = f"{counts.passed} passed, {counts.failed} failed, {len(counts.skipped)} skipped"
    print(f"{word}  {member.name:<36} {seconds:6.1f} s  {numbers}", flush=True)
    for line in counts.failures:
        print("      " + line, flush=True)
    for reason in counts.skipped:
        print(f"::skip {member.name}: {reason}", flush=True)


def chosen(options):
    every = members.all_members()
    if options.small:
        every = [member for member in every if member.name in members.SMALL]
    if options.only:
        every = [member for member in every if any(word in member.name for word in options.only)]
    return every


def main():
    parser = argparse.ArgumentParser(description="Tries the package on many builds of CPython.")
    parser.add_argument("--small", action="store_true", help="the few that CI has the time for")
    parser.add_argument("--only", action="append", help="members whose name contains this")
    parser.add_argument("--ready", action="store_true", help="build no CPython, take those that are there")
    parser.add_argument("--list", action="store_true", help="print the names of the members")
    options = parser.parse_args()
    if members.uncovered():
        print("the table of builds leaves out:", members.uncovered())
        return 1
    if options.list:
        print("\n".join(member.name for member in chosen(options)))
        return 0
    if not chosen(options):
        print("no member of the zoo has such a name: see --list")
        return 1
    passed = failed = skipped = 0
    for member in chosen(options):
        started = time.monotonic()
        with open(build.zoo_folder() / "logs" / (member.name + ".log"), "wb") as log:
            counts = try_member(member, log, options)
        report(member, counts, time.monotonic() - started)
        passed, failed, skipped = passed + counts.passed, failed + counts.failed, skipped + len(counts.skipped)
    print(f"::counts passed={passed} failed={failed} skipped={skipped}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
