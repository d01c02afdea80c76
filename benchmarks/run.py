#!/usr/bin/env python3
"""The benchmarks: real programs with and without tracing, side by side.

Model: a *run* is one process of one benchmark in one mode: pyperf's own worker, pinned to one core, which prints
the time of each loop. The tracer of the mode is started before the program (start/sitecustomize.py). Each round has one
run of each mode. The best loop of all rounds counts, because other load can only make a loop slower. The result is the
ratio to no tracing. All runs of a benchmark are on the same core. Each of the given cores takes the next benchmark when
it has finished one.

The modes `other:…` are those of `ctracemalloc:…` with another build of the package, from --other FOLDER: two versions
are compared in one run.

usage: run.py [--python PATH] [--quick] [--modes MODE,…] [--rounds N] [--cores N,…] [--only NAME]… [--output FILE.json]
              [--other FOLDER]
"""

import argparse
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build"
MODES = [
    "none", "floor", "ctracemalloc:1", "ctracemalloc:25", "ctracemalloc:65535", "ctracemalloc:65535:524288",
    "tracemalloc:1", "tracemalloc:25", "memray", "memray-python",
]  # fmt: skip
QUICK_MODES = ["none", "floor", "ctracemalloc:1", "ctracemalloc:25", "tracemalloc:1"]
QUICK = ["coroutines", "float", "html5lib", "json_loads", "mako", "nbody", "raytrace", "regex_compile", "richards",
         "sqlglot_parse"]  # fmt: skip
SLOW_MODES = ("tracemalloc", "memray")  # one loop in the first round: their ratios are far above the noise
LOOP_SECONDS = 0.08  # the duration of a loop without tracing is at least this
LONGEST_RUN, LONGEST_SLOW_RUN = 100, 20  # seconds


def read_benchmarks():
    lines = (HERE / "benchmarks.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {name: arguments for name, *arguments in words}


def prepare(python):
    """Makes a virtual environment with everything that is measured; returns its Python."""
    version = subprocess.check_output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
    folder = BUILD / f"bench-{version.strip()}"
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.check_call([python, "-m", "venv", folder])
    pip = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for line in (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if subprocess.run([*pip, line], capture_output=True).returncode != 0:
            print(f"not installed here: {line}", file=sys.stderr)
    subprocess.check_call([*pip, "--force-reinstall", "--no-deps", ROOT])
    with tempfile.TemporaryDirectory() as copy:  # setuptools writes files beside the sources
        floor = shutil.copytree(HERE / "floor", Path(copy) / "floor")
        subprocess.check_call([*pip, "--force-reinstall", "--no-deps", "--no-build-isolation", floor])
    return inside


@functools.cache
def find_pyperformance(python):
    where = subprocess.check_output([python, "-c", "import pyperformance; print(pyperformance.__path__[0])"], text=True)
    return Path(where.strip())


def find_script(python, name):
    if name.startswith("programs/"):
        return HERE / name
    return find_pyperformance(python) / "data-files" / "benchmarks" / name / "run_benchmark.py"


class Failed(Exception):
    pass


def environment(mode, other):
    """The variables of a run; start/sitecustomize.py reads the mode."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "CTRACEMALLOC"))}
    path = [str(HERE / "start")]
    kind, _, rest = mode.partition(":")
    if kind == "other":
        path.append(str(other))
        mode = f"ctracemalloc:{rest}"
    env.update(PYTHONPATH=os.pathsep.join(path), BENCH_MODE=mode, PYTHONHASHSEED="0")
    return env


def run_once(python, arguments, mode, loops, values, core, other=None):
    """Seconds of each of the values, one loop."""
    script = find_script(python, arguments[0])
    longest = LONGEST_SLOW_RUN if mode.startswith(SLOW_MODES) else LONGEST_RUN
    with tempfile.TemporaryDirectory() as folder:
        output = os.path.join(folder, "out.json")
        command = ["taskset", "-c", str(core), python, script, *arguments[1:], "--worker", "--worker-task=0",
                   f"--loops={loops}", "--warmups=1", f"--values={values}", f"--output={output}"]  # fmt: skip
        env = environment(mode, other)
        try:
            done = subprocess.run(
                command, env=env, cwd=folder, capture_output=True, text=True, timeout=longest, errors="replace"
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"longer than {longest} s") from None
        if done.returncode != 0 or not os.path.exists(output):
            raise Failed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
        with open(output, encoding="utf-8") as file:
            return json.load(file)["benchmarks"][0]["runs"][0]["values"]


def calibrate(python, arguments, core):
    """The number of loops for which a value takes LOOP_SECONDS."""
    seconds = min(run_once(python, arguments, "none", 1, 1, core))
    return max(1, round(LOOP_SECONDS / seconds))


def measure(python, name, arguments, options, core):
    loops = calibrate(python, arguments, core)
    best, failed = {}, {}
    for turn in range(options.rounds):
        for mode in options.modes:
            if mode in failed or (turn > 0 and mode.startswith(SLOW_MODES)):
                continue
            try:
                if mode.startswith(SLOW_MODES):
                    values = run_once(python, arguments, mode, 1, 1, core, options.other)
                else:
                    values = run_once(python, arguments, mode, loops, options.values, core, options.other)
                best[mode] = min([*values, best.get(mode, float("inf"))])
            except Failed as error:
                failed[mode] = str(error)
                print(f"{name} under {mode}: {error}", file=sys.stderr)
    return {"loops": loops, "seconds": best, "failed": failed}


def describe(python):
    code = "import platform; print(platform.python_version()); print(platform.platform())"
    version, system = subprocess.check_output([python, "-c", code], text=True).splitlines()
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = [line for line in lines if line.startswith("model name")]
    commit = ""
    if shutil.which("git") is not None:
        command = ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {
        "python": version,
        "system": system,
        "processor": model[0].split(":", 1)[1].strip() if model else "unknown",
        "cores": os.cpu_count(),
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
    }


def parse_cores(text):
    cores = [int(word) for word in text.split(",")]
    if not cores or not set(cores) <= os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"not cores that this process may use: {text}")
    return cores


class Results:
    """The results so far; written to the file after each benchmark of any core."""

    def __init__(self, output, machine, modes, names):
        self.output, self.names, self.lock = output, names, threading.Lock()
        self.result = {"machine": machine, "modes": modes, "benchmarks": {}}

    def add(self, name, row):
        seconds = row["seconds"]
        with self.lock:
            done = self.result["benchmarks"]
            done[name] = row
            self.result["benchmarks"] = {name: done[name] for name in self.names if name in done}
            if "none" in seconds:
                modes = [mode for mode in self.result["modes"][1:] if mode in seconds]
                print(f"{name:24}", *(f"{mode} {seconds[mode] / seconds['none']:.2f}" for mode in modes), flush=True)
            self.output.write_text(json.dumps(self.result, indent=1) + "\n", encoding="utf-8")


def measure_on(core, names, python, benchmarks, options, results):
    """Runs the next of `names`, an iterator that the cores share, until it is exhausted."""
    for name in names:
        try:
            row = measure(python, name, benchmarks[name], options, core)
        except Failed as error:
            row = {"seconds": {}, "failed": {"none": str(error)}}
            print(f"{name} cannot be run here: {error}", file=sys.stderr)
        results.add(name, row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--quick", action="store_true", help="ten benchmarks, five modes")
    parser.add_argument("--modes", help=",".join(MODES))
    parser.add_argument("--rounds", type=int, default=1, help="more are better and take longer")
    parser.add_argument("--values", type=int, default=3, help="measured loops of a run")
    parser.add_argument("--cores", type=parse_cores, default=sorted(os.sched_getaffinity(0))[-2:],
                        help="one benchmark at a time on each; the last two, if not given")  # fmt: skip
    parser.add_argument("--only", action="append", help="a benchmark's name")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("--other", type=Path, help="a folder with another build of the package, for the modes other:…")
    options = parser.parse_args()
    if options.other is not None:
        options.other = options.other.resolve()
        if not (options.other / "ctracemalloc").is_dir():
            parser.error(f"there is no package ctracemalloc in {options.other}")
    options.modes = options.modes.split(",") if options.modes else QUICK_MODES if options.quick else MODES
    benchmarks = read_benchmarks()
    if options.other is None and any(mode.startswith("other:") for mode in options.modes):
        parser.error("the modes other:… need --other FOLDER")
    chosen = options.only or (QUICK if options.quick else list(benchmarks))
    python = prepare(options.python) if not options.no_install else Path(options.python).absolute()
    machine = describe(python)
    output = options.output or BUILD / f"bench-{machine['python']}.json"
    results = Results(output, machine, options.modes, chosen)
    names = iter(chosen)
    with ThreadPoolExecutor(len(options.cores)) as pool:
        for work in [pool.submit(measure_on, core, names, python, benchmarks, options, results) for core in options.cores]:
            work.result()
    subprocess.check_call([sys.executable, HERE / "report.py", output])


if __name__ == "__main__":
    main()
