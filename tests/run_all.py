#!/usr/bin/env python3
"""Runs all tests.

Model: a *suite* is a command. Some run once (the C core, the layers), most once per Python. Each runs as a process group of its
own with a timeout, at most two at a time; its output is written to build/logs/, and one line says how it ended. A suite reports
its counts by printing

    ::counts passed=N failed=N skipped=N        (one such line)
    ::skip WHAT: WHY                            (any number of lines)

and fails by a non-zero exit status, without that line, or with a second one (a child that went on as its parent would print
it). Only where a suite is said to be one test there is no such line. Status 77 means that it could not run here, and its
last line says why. The last line of the whole output is "N passed, N failed, N skipped".

pytest runs tests in its own process, so a test can end that with any status. tests/conftest.py writes down each test that
begins and how it ended, in build/logs/LABEL.progress. A process that printed no counts was ended by the test that had begun:
that test failed, and another process runs the tests that had not begun.

Only the standard library is used, and the driver itself needs no Python newer than 3.8.
"""

import argparse
import glob
import json
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
LINES_OF_A_CRASH = 4
MOST_PROCESSES = 10  # for the tests of one suite
SMALL_ZOO = "zoo-small"  # runs only if requested: it builds a CPython and makes Debian folders

Suite = namedtuple("Suite", "name command timeout where long one_test", defaults=(None, False, False))
Python = namedtuple("Python", "version prefix path")
Outcome = namedtuple("Outcome", "status name seconds passed failed skipped reasons log")
Told = namedtuple("Told", "passed failed skipped reasons failures")  # of the tests of processes that printed no counts
NOTHING_TOLD = Told(0, 0, 0, [], [])

print_lock = threading.Lock()
running = set()  # process groups of the running suites; a set operation is one step under the GIL


def say(text=""):
    with print_lock:
        print(text, flush=True)


def pytest_suite(name, folder, timeout, long=False):
    return Suite(name, ["-m", "pytest", "-v", folder], timeout, None, long)


# Tests of the package that collect garbage again and again, or look at all memory of their own process. In the process of the
# others, which has a large heap, they take five times as long.
MEASURING = ("test_guards_*", "test_pytest_*", "test_resident", "test_testing")


def package_suites():
    folder = os.path.join("tests", "package")
    paths = [path for name in MEASURING for path in sorted(glob.glob(os.path.join(ROOT, folder, name + ".py")))]
    measuring = [os.path.relpath(path, ROOT) for path in paths]
    others = ["--ignore-glob=*/%s.py" % name for name in MEASURING]
    return [
        Suite("package", ["-m", "pytest", "-v", *others, folder], 900),
        Suite("package-measuring", ["-m", "pytest", "-v", *measuring], 900),
    ]


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
SLOW_MODULES = {"test_asyncio"}  # only `make test-long` runs them: CI has 40 minutes


def cpython_suites():
    suites = [Suite("cpython:test_tracemalloc", ["tests/conformance/cpython/run_tracemalloc.py"], 900)]
    for module, seconds in CPYTHON_MODULES.items():
        command = ["tests/conformance/cpython/run_module.py", module]
        suites.append(Suite("cpython:" + module, command, seconds, None, module in SLOW_MODULES))
        deep = command + ["--nframe", "25"]
        suites.append(Suite("cpython:%s-25" % module, deep, 3 * seconds, "3.13", True))
    return suites


def libctm_suites():
    def libctm(variant, timeout, long=False):
        command = ["tests/run_libctm.py", variant]
        return Suite("libctm:" + variant, command, timeout, ONLY_SOURCES, long)

    return [
        libctm("gcc", 1200),  # two tests may hang: see ctm_test_timeout in CMakeLists.txt
        libctm("clang", 1200),
        libctm("asan", 1800),
        libctm("tsan", 1800),
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
        Suite("gates", ["tests/lint/try_gates.py"], 5400, ONLY_SOURCES, True),
        *libctm_suites(),
        pytest_suite("pyext", "tests/pyext", 900),
        *package_suites(),
        Suite("parity", ["tests/conformance/parity/run.py"], 900),
        pytest_suite("integration", "tests/integration", 1800),
        *cpython_suites(),
        Suite("cost", ["tests/cost/run.py"], 600, "3.13"),
        Suite("demo", ["examples/demo/compile_stdlib.py", "--limit", "150"], 300, one_test=True),
        Suite("asan-extension", ["tests/run_asan.py"], 2700, "3.13"),
        Suite("html", ["-m", "pytest", "-v", "tests/html"], 900, "3.13"),
        Suite("lab", ["tests/lab/run.py"], 1200, "3.13", True),
        Suite("docs", ["tests/docs/run.py"], 1200, "3.13"),
        Suite("sdist", ["tests/run_sdist.py"], 1200, "3.13", True),
        Suite("plain", ["tests/run_plain.py"], 900, None, True),
        Suite("pytest-memray", ["tests/conformance/pytest_memray/run.py"], 900, "3.13", True),
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


def run_logged(command, log_path, timeout, env, mode="wb"):
    """Returns the exit status, or None if the command did not end in time."""
    with open(log_path, mode) as log:
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
    """([(passed, failed, skipped) of each line of counts], [why a test was skipped])"""
    lines = re.findall(r"^::counts passed=(\d+) failed=(\d+) skipped=(\d+)", text, re.M)
    return [tuple(int(number) for number in line) for line in lines], re.findall(r"^::skip (.*)$", text, re.M)


def crash_in(text):
    """faulthandler's report of a crash: what happened, and the innermost frames."""
    found = re.search(r"^.*Fatal Python error: .*(?:\n.*)*", text, re.M)
    lines = found.group().splitlines() if found else []
    frames = [line.strip() for line in lines if re.match(r'  File "', line)]
    return [line.strip() for line in lines[:1]] + frames[: LINES_OF_A_CRASH - 1]


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
    return [line[:300] for line in (told or wrong or crash_in(text) or last)]


def is_pytest(suite):
    return suite.command[:2] == ["-m", "pytest"]


def counts_problem(suite, status, counts):
    """What is wrong with how a suite reports its counts, or None."""
    if len(counts) > 1:
        return "it printed %d lines of counts: a child of a test went on as its parent" % len(counts)
    if not counts and (is_pytest(suite) or (status == 0 and not suite.one_test)):
        return "it printed no counts" + (": what was left of it was not run" if is_pytest(suite) else "")
    if status == COULD_NOT_RUN and counts:
        return "status %d after tests were run" % status
    return None


def judge(suite, name, status, text, seconds, log_path, before=NOTHING_TOLD):
    """The Outcome of a suite. `text` is the output of its last process, `before` what was told by those before it."""
    counts, reasons = parse_log(text)
    problem = counts_problem(suite, status, counts)
    lines = [line for line in text.splitlines()[1:] if line.strip()]
    last_line = lines[-1].strip() if lines else "no output"
    if status == COULD_NOT_RUN and problem is None:
        return Outcome("SKIP", name, seconds, 0, 0, 1, [last_line], log_path)
    at_end = counts[-1] if counts else (int(suite.one_test and status == 0), 0, 0)
    reported = max([failed for _passed, failed, _skipped in counts] or [0]) + before.failed
    passed, skipped = at_end[0] + before.passed, at_end[2] + before.skipped
    if status != 0 or problem or reported:
        failures = list(before.failures)
        if reported > before.failed or not failures:
            failures += failures_in(text)
        if status is None:
            failures.append("no end after %d s" % suite.timeout)
        elif status != 0 and reported == before.failed:
            failures.append("exit status %d: %s" % (status, last_line[:150]))
        failures += [problem] if problem else []
        return Outcome("FAIL", name, seconds, passed, max(reported, 1), skipped, failures, log_path)
    reasons = before.reasons + reasons
    if passed == 0 and skipped == 0:
        return Outcome("FAIL", name, seconds, 0, 1, 0, ["it ran no test"], log_path)
    return Outcome("PASS" if passed else "SKIP", name, seconds, passed, 0, skipped, reasons, log_path)


# --- pytest: the tests of a process that printed no counts ---


def read_progress(path):
    """The records of tests/conftest.py, (what, test, text); a process may have ended in the middle of the last."""
    records = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    records.append(tuple(json.loads(line)))
                except ValueError:
                    pass
    return records


def begun(records):
    """The test that began and did not end, or None."""
    ended = {test for what, test, _text in records if what == "ended"}
    left = [test for what, test, _text in records if what == "begun" and test not in ended]
    return left[-1] if left else None


def told(records):
    of_kind = {kind: [record for record in records if record[0] == kind] for kind in ("passed", "failed", "skipped")}
    reasons = ["%s: %s" % (test, text) for _what, test, text in of_kind["skipped"]]
    failures = []
    for _what, test, text in of_kind["failed"]:
        failures += [test] + ["    " + line[:300] for line in text.splitlines() if line.strip()]
    return Told(len(of_kind["passed"]), len(of_kind["failed"]), len(of_kind["skipped"]), reasons, failures)


def record_the_end(progress, test, status, suite, text):
    """Write down the failure of the test that ended its process, or that was running when the time was over."""
    how = (
        "no end after %d s of the suite" % suite.timeout if status is None else "it ended the process, with status %d" % status
    )
    crash = [re.sub("^.*(?=Fatal Python error)", "", line) for line in crash_in(text)]
    lines = ["failed", test, "\n".join([how] + crash)], ["ended", test, ""]
    with open(progress, "a", encoding="utf-8") as file:
        file.write("\n" + "".join(json.dumps(line) + "\n" for line in lines))


def progress_of(python, log_path):
    """The file of --progress: (as the driver names it, as the Python does). Debian sid's have theirs in its folder."""
    name = os.path.splitext(os.path.basename(log_path))[0] + ".progress"
    if not python.prefix:
        return os.path.join(LOGS, name), os.path.join(LOGS, name)
    folder = os.path.join(os.environ.get("CTM_SID") or os.path.join(ROOT, "build", "sid"), "ctm", "build", "logs")
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name), "/ctm/build/logs/" + name


def run_pytest(suite, python, command, log_path, env):
    """Returns (status and output of the last process, Told of those before it or that printed no counts)."""
    progress, named = progress_of(python, log_path)
    if os.path.exists(progress):
        os.remove(progress)
    deadline = time.monotonic() + suite.timeout
    for number in range(MOST_PROCESSES):
        before, at = read_progress(progress), os.path.getsize(log_path) if number else 0
        left = max(deadline - time.monotonic(), 1)
        status = run_logged(command + ["--progress=" + named], log_path, left, env, "ab" if number else "wb")
        text = read_from(log_path, at)
        if parse_log(text)[0]:
            return status, text, told(before)
        test = begun(read_progress(progress))
        if test is not None:
            record_the_end(progress, test, status, suite, text)
        if test is None or status is None:
            break
    return status, text, told(read_progress(progress))


def read_from(path, offset=0):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read().decode("utf-8", "replace")


def run_suite(suite, python, long):
    label = "%s %s" % (python.version, suite.name) if python else suite.name
    log_path = os.path.join(LOGS, re.sub(r"[^\w.-]+", "-", label) + ".log")
    if python:
        command = python.prefix + [python.path, *suite.command]
    else:
        command = [sys.executable, *suite.command]
    started = time.monotonic()
    if is_pytest(suite):
        status, text, before = run_pytest(suite, python, command, log_path, environment(long))
    else:
        status = run_logged(command, log_path, suite.timeout, environment(long))
        text, before = read_from(log_path), NOTHING_TOLD
    outcome = judge(suite, label, status, text, time.monotonic() - started, log_path, before)
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
    suite = Suite(name, command, 1200, one_test=True)
    status = run_logged(command, log_path, suite.timeout, environment(False))
    text = read_from(log_path)
    outcome = judge(suite, name, status, text, time.monotonic() - started, log_path)
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
