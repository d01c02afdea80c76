#!/usr/bin/env python3
"""Runs all tests.

Model: a *suite* is a command. Some run once (the C core, the layers), most once per Python. Each runs as a process group of its
own with a timeout, at most two at a time; its output is written to build/logs/, and one line says how it ended. A suite reports
its counts by printing

    ::counts passed=N failed=N skipped=N        (the last such line is used)
    ::skip WHAT: WHY                            (any number of lines)

and fails by a non-zero exit status. Status 77 means that it could not run here, and its last line says why. A suite that
prints no counts is one test. The last line of the whole output is "N passed, N failed, N skipped".

Only the standard library is used, and the driver itself needs no Python newer than 3.8.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "logs")
ONLY_SOURCES = "sources"  # a suite that needs no interpreter with the package
COULD_NOT_RUN = 77
SKIPS_SHOWN = 400
FAILURE_LINES_SHOWN = 60  # of one suite
LINES_OF_A_FAILURE = 8
SMALL_ZOO = "zoo-small"  # runs only if requested: it builds a CPython and makes Debian folders

Suite = namedtuple("Suite", "name command timeout where long", defaults=(None, False))
Python = namedtuple("Python", "version prefix path")
Outcome = namedtuple("Outcome", "status name seconds passed failed skipped reasons log")

print_lock = threading.Lock()
running = set()  # process groups of the running suites; a set operation is one step under the GIL


def say(text=""):
    with print_lock:
        print(text, flush=True)


def pytest_suite(name, folder, timeout, long=False):
    return Suite(name, ["-m", "pytest", "-v", folder], timeout, None, long)


CPYTHON_MODULES = {  # CPython's own suites, and the seconds that one run of both ways may take
    "test_warnings": 300,
    "test_gc": 400,
    "test_threading": 600,
    "test_fork1": 300,
    "test_capi": 900,
    "test_generators": 300,
    "test_coroutines": 300,
    "test_asyncio": 1800,
    "test_embed": 900,
    "test_json": 600,
}
# The slowest of them. `make test` runs them on one Python, `make test-long` on all.
SLOW_MODULES = {"test_asyncio": "3.13"}


def cpython_suites():
    suites = [Suite("cpython:test_tracemalloc", ["tests/conformance/cpython/run_tracemalloc.py"], 900)]
    for module, seconds in CPYTHON_MODULES.items():
        command = ["tests/conformance/cpython/run_module.py", module]
        where = SLOW_MODULES.get(module)
        suites.append(Suite("cpython:" + module, command, seconds, where))
        if where:
            suites.append(Suite("cpython:%s-everywhere" % module, command, seconds, None, True))
        deep = command + ["--nframe", "25"]
        suites.append(Suite("cpython:%s-25" % module, deep, 3 * seconds, "3.13", True))
    return suites


def libctm_suites():
    def libctm(variant, timeout, long=False):
        command = ["tests/run_libctm.py", variant]
        return Suite("libctm:" + variant, command, timeout, ONLY_SOURCES, long)

    return [
        libctm("gcc", 600),
        libctm("clang", 600),
        libctm("asan", 900),
        libctm("tsan", 900),
        libctm("valgrind", 3600, long=True),
        Suite("fuzz", ["tests/run_fuzz.py", "--seconds", "600"], 5400, ONLY_SOURCES, True),
    ]


def all_suites():
    return [
        Suite(SMALL_ZOO, ["tests/zoo/run.py", "--small"], 2400, ONLY_SOURCES),
        Suite("zoo", ["tests/zoo/run.py"], 8 * 3600, ONLY_SOURCES, True),
        Suite("fresh", ["tests/fresh/run.py"], 3 * 3600, ONLY_SOURCES, True),
        Suite("layers", ["tools/check_layers.py"], 600, ONLY_SOURCES),
        Suite("hooks", ["tools/check_hooks.py"], 600, ONLY_SOURCES),
        Suite("driver", ["tests/test_run_all.py"], 60, ONLY_SOURCES),
        Suite("gates", ["tests/lint/try_gates.py"], 1800, ONLY_SOURCES, True),
        *libctm_suites(),
        pytest_suite("pyext", "tests/pyext", 900),
        pytest_suite("package", "tests/package", 900),
        Suite("parity", ["tests/conformance/parity/run.py"], 900),
        pytest_suite("integration", "tests/integration", 1800),
        *cpython_suites(),
        Suite("cost", ["tests/cost/run.py"], 600, "3.13"),
        Suite("demo", ["examples/demo/compile_stdlib.py", "--limit", "150"], 300),
        Suite("asan-extension", ["tests/run_asan.py"], 2700, "3.13"),
        Suite("docs", ["tests/docs/run.py"], 1200, "3.13"),
        Suite("sdist", ["tests/run_sdist.py"], 1200, "3.13", True),
        pytest_suite("integration-long", "tests/integration", 3 * 3600, long=True),
        Suite("cpython-whole", ["tests/conformance/cpython/run_whole.py"], 6 * 3600, None, True),
    ]


def environment(long):
    env = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "CTRACEMALLOC", "PYTHONTRACEMALLOC", "PYTHONMALLOC"):
        env.pop(name, None)
    env["PYTHONFAULTHANDLER"] = "1"
    env["PYTHONIOENCODING"] = "utf-8"
    env.pop("CTM_LONG", None)
    if long:
        env["CTM_LONG"] = "1"
    return env


def run_logged(command, log_path, timeout, env):
    """Returns the exit status, or None if the command did not end in time."""
    with open(log_path, "wb") as log:
        log.write(("$ %s\n" % " ".join(command)).encode())
        log.flush()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running.add(process.pid)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        end_group(process)
    return status


def end_group(process):
    """End everything that a suite started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    running.discard(process.pid)


def interrupted(number, frame):
    """On Ctrl-C or SIGTERM, end the suites too."""
    for group in list(running):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
    say("interrupted: not everything was run")
    os._exit(128 + number)


def parse_log(text):
    counts = None
    for match in re.finditer(r"^::counts passed=(\d+) failed=(\d+) skipped=(\d+)", text, re.M):
        counts = tuple(int(number) for number in match.groups())
    reasons = re.findall(r"^::skip (.*)$", text, re.M)
    return counts, reasons


def failures_in(text):
    """A failed suite's report of its failures: the names that pytest prints and how each ended, or else its last lines."""
    told = []
    parts = re.split("^_{3,} (.+) _{3,}$", text, flags=re.M)
    for name, part in zip(parts[1::2], parts[2::2]):
        lines = [line[1:].strip() for line in part.splitlines() if re.match("E( |$)", line)]
        told += [name] + ["    " + line for line in lines if line][-LINES_OF_A_FAILURE:]
    told += re.findall("^(?:FAIL|ERROR): +(.*)$", text, re.M) if not told else []
    wrong = re.findall(r"^(?:FAIL|ERROR|TOO MUCH):? +.*$", text, re.M)
    last = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("::")][-4:]
    return [line[:300] for line in (told or wrong or last)]


def judge(name, status, text, timeout, seconds, log_path):
    counts, reasons = parse_log(text)
    lines = [line for line in text.splitlines()[1:] if line.strip()]
    last_line = lines[-1].strip() if lines else "no output"
    if status == COULD_NOT_RUN:
        return Outcome("SKIP", name, seconds, 0, 0, 1, [last_line], log_path)
    passed, failed, skipped = counts or (int(status == 0), int(status != 0), 0)
    if status != 0:
        failed = max(failed, 1)
    if failed:
        reasons = failures_in(text)
        if status is None:
            reasons = reasons + ["no end after %d s" % timeout]
        elif counts is None or counts[1] == 0:
            reasons = reasons + ["exit status %d: %s" % (status, last_line[:150])]
        return Outcome("FAIL", name, seconds, passed, failed, skipped, reasons, log_path)
    if passed == 0 and skipped == 0:
        return Outcome("FAIL", name, seconds, 0, 1, 0, ["it ran no test"], log_path)
    word = "PASS" if passed else "SKIP"
    return Outcome(word, name, seconds, passed, failed, skipped, reasons, log_path)


def run_suite(suite, python, long):
    label = "%s %s" % (python.version, suite.name) if python else suite.name
    log_path = os.path.join(LOGS, re.sub(r"[^\w.-]+", "-", label) + ".log")
    if python:
        command = python.prefix + [python.path, *suite.command]
    else:
        command = [sys.executable, *suite.command]
    started = time.monotonic()
    status = run_logged(command, log_path, suite.timeout, environment(long))
    seconds = time.monotonic() - started
    with open(log_path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    outcome = judge(label, status, text, suite.timeout, seconds, log_path)
    report(outcome)
    return outcome


def report(outcome):
    counted = "%d tests" % (outcome.passed + outcome.failed)
    if outcome.skipped:
        counted += ", %d skipped" % outcome.skipped
    line = "%s  %-38s %6.1f s  %s" % (outcome.status, outcome.name, outcome.seconds, counted)
    if outcome.status == "SKIP" and outcome.reasons:
        line += "  (%s)" % outcome.reasons[0]
    if outcome.status == "FAIL":
        line += "  see " + os.path.relpath(outcome.log, ROOT)
    say(line)


# --- interpreters ---


def sid_ready():
    """None if the Debian sid folder can be used, else the reason why not."""
    for step in ("setup", "sync"):
        done = subprocess.run(
            ["tools/sid.sh", step],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        if done.returncode != 0:
            lines = done.stdout.strip().splitlines()
            return lines[-1] if lines else "tools/sid.sh %s failed" % step
    return None


def locate(versions):
    listed = subprocess.run(
        ["tools/pythons.sh", *versions],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        universal_newlines=True,
    ).stdout
    return dict(line.split(" ", 1) for line in listed.splitlines())


def find_pythons(versions, local=False):
    """(version -> place, version -> why it is missing). `local`: only what is on this machine."""
    places = locate(versions)
    if local:
        found = {v: place for v, place in places.items() if place != "-" and not place.startswith("sid:")}
        why = "not on this machine (PATH, pyenv); make test-all takes 3.14 and 3.15 from Debian sid"
        return found, {v: why for v in versions if v not in found}
    wants_sid = [v for v in versions if places[v] == "-" or places[v].startswith("sid:")]
    wants_sid = [v for v in wants_sid if v in ("3.14", "3.15")]
    why = {v: "no interpreter found (PATH, pyenv, $PYTHON%s)" % v.replace(".", "") for v in versions}
    if wants_sid:
        problem = sid_ready()
        if problem:
            for version in wants_sid:
                why[version] = "not in PATH or pyenv, and Debian's cannot be had: " + problem
                places[version] = "-"
        else:
            places.update(locate(wants_sid))
    found = {v: place for v, place in places.items() if place != "-"}
    return found, {v: why[v] for v in versions if v not in found}


def located(version, place):
    """Command and environment of a Python."""
    prefix = ["tools/sid.sh", "run"] if place.startswith("sid:") else []
    return version, prefix, "build/venv-%s/bin/python" % version


def prepare(version, place, light=False):
    """Install the package. Returns the Python (None: it could not be prepared), and the Outcome of that."""
    python = Python(*located(version, place))
    prefix = python.prefix
    interpreter = place[4:] if prefix else place
    name = version + " install"
    log_path = os.path.join(LOGS, version + "-install.log")
    started = time.monotonic()
    command = prefix + ["tools/venv.sh", *(["--light"] if light else []), version, interpreter]
    status = run_logged(command, log_path, 1200, environment(False))
    with open(log_path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    outcome = judge(name, status, text, 1200, time.monotonic() - started, log_path)
    report(outcome)
    for line in text.splitlines():
        if line.startswith("venv "):
            say("      " + line)
    return (python if status == 0 else None), outcome


# --- all of it ---


def choose(suites, words):
    if not words:
        return suites
    return [suite for suite in suites if any(word in suite.name for word in words)]


def jobs_of(suites, pythons):
    """The jobs, the longest first, so that two workers end at about the same time."""
    jobs = []
    for suite in suites:
        if suite.where == ONLY_SOURCES:
            jobs.append((suite, None))
        else:
            jobs += [(suite, p) for p in pythons if suite.where in (None, p.version)]
    return sorted(jobs, key=lambda job: -job[0].timeout)


def left_out(suites, pythons):
    """An Outcome for each suite that needs one version only, which is not on this machine."""
    here = {python.version for python in pythons} | {None, ONLY_SOURCES}
    reasons = [(suite.name, "it is run on Python %s only" % suite.where) for suite in suites if suite.where not in here]
    return [Outcome("SKIP", name, 0.0, 0, 0, 1, [reason], None) for name, reason in reasons] if pythons else []


def summarize(outcomes, missing):
    say()
    for outcome in outcomes:
        for reason in outcome.reasons[:SKIPS_SHOWN] if outcome.status != "FAIL" else ():
            say("skipped: %s: %s" % (outcome.name, reason))
    for outcome in outcomes:
        if outcome.status == "FAIL":
            say("FAILED: %s: %s" % (outcome.name, os.path.relpath(outcome.log, ROOT)))
            for reason in outcome.reasons[-FAILURE_LINES_SHOWN:]:
                say("        " + reason)
    for version, reason in missing.items():
        say("NOT TESTED: Python %s: %s" % (version, reason))
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes) + len(missing)
    say("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return failed


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description="Runs the tests; see the top of this file.")
    parser.add_argument("--pythons", default="3.11,3.12,3.13", help="versions, with commas between")
    parser.add_argument("--long", action="store_true", help="also what does not fit into CI")
    parser.add_argument("--only-long", action="store_true", help="nothing but what does not fit into CI")
    parser.add_argument("--local", action="store_true", help="only interpreters of this machine: no Debian sid folder")
    parser.add_argument("--light", action="store_true", help="without the packages of tests/requirements.txt")
    parser.add_argument("--small-zoo", action="store_true", help="also the few members of the zoo that CI tries")
    parser.add_argument("--only", action="append", help="only suites whose name contains this")
    parser.add_argument("--no-core", action="store_true", help="only suites that run on a Python")
    parser.add_argument("--build-only", action="store_true", help="install the package, run nothing")
    parser.add_argument("--no-install", action="store_true", help="take the packages installed before")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    os.makedirs(LOGS, exist_ok=True)
    versions = [version for version in options.pythons.split(",") if version]
    suites = choose(all_suites(), options.only)
    options.long = options.long or options.only_long
    suites = [suite for suite in suites if suite.long or not options.only_long]
    suites = [suite for suite in suites if options.long or not suite.long]
    if not options.small_zoo:
        suites = [suite for suite in suites if suite.name != SMALL_ZOO]
    if options.no_core:
        suites = [suite for suite in suites if suite.where != ONLY_SOURCES]
    found, missing = find_pythons(versions, options.local) if versions else ({}, {})
    for version, reason in missing.items():
        say("SKIP  %-38s %s" % (version, reason))
    outcomes, pythons = [], []
    if options.no_install:
        pythons = [Python(*located(version, place)) for version, place in found.items()]
    else:
        with ThreadPoolExecutor(max_workers=options.jobs) as pool:
            prepared = list(pool.map(lambda item: prepare(*item, options.light), found.items()))
        pythons = [python for python, outcome in prepared if python]
        outcomes = [outcome for python, outcome in prepared]
    if not options.build_only:
        with ThreadPoolExecutor(max_workers=options.jobs) as pool:
            jobs = [(*job, options.long) for job in jobs_of(suites, pythons)]
            outcomes += pool.map(lambda job: run_suite(*job), jobs)
        outcomes += left_out(suites, pythons)
    failed = summarize(outcomes, missing)
    nothing = versions and not found
    return 1 if failed or nothing else 0


if __name__ == "__main__":
    sys.exit(main())
