#!/usr/bin/env python3
"""The package as users get it: builds an sdist and a wheel from it, and tries both in fresh environments.

Model: the sdist has the files that git tracks, without the service's own files; a tree with untracked files is a failure.
A wheel built from the unpacked sdist is installed into a new virtual environment; the suites run there, from the unpacked
sdist, with nothing of this folder.
Status 77: what is needed cannot be downloaded.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / f"sdist-{sys.version_info[0]}.{sys.version_info[1]}"
BUILD_REQUIRES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
NOT_SHIPPED = {".ci/run", ".gitignore"}  # files of the repository and its service
MADE = {"PKG-INFO"}  # by the build itself
LARGEST_LIBRARY = 850_000  # what the changelog says; with debug information it is five times as much
NOT_IN_STRIPPED = (b"\0.symtab\0", b"\0.strtab\0", b"\0.debug_info\0")  # names of sections
SUITES = (
    ["tools/check_layers.py"],
    ["tests/test_run_all.py"],
    ["-m", "pytest", "tests/pyext"],
    ["-m", "pytest", "tests/package"],
    ["tests/conformance/parity/run.py"],
)


class Checks:
    """Counts what was right and wrong, and prints it as it is found."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def expect(self, good, what):
        print("ok     " if good else "FAILED ", what, flush=True)
        self.passed += bool(good)
        self.failed += not good

    def add_suite(self, command, done):
        counts = re.search(r"^::counts passed=(\d+) failed=(\d+) skipped=(\d+)", done.stdout, re.M)
        if counts is None or done.returncode != 0:
            print(done.stdout[-20_000:])
            self.expect(False, f"{command}: exit status {done.returncode}" if counts is None else f"{command}: {counts[0]}")
            return
        print("\n".join(re.findall(r"^::skip .*", done.stdout, re.M)))
        passed, failed, skipped = map(int, counts.groups())
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        print(f"ok      {' '.join(command)}: {counts[0]}", flush=True)


def run(*command, **options):
    print("$", *command, flush=True)
    return subprocess.run([str(word) for word in command], check=True, **options)


def make_environment(name, *packages):
    """Make a new virtual environment with these packages. Returns its Python."""
    folder = PLACE / name
    run(sys.executable, "-m", "venv", "--clear", folder)
    python = folder / "bin" / "python"
    try:
        run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
    except subprocess.CalledProcessError:
        print(f"cannot be downloaded: {', '.join(map(str, packages))}")
        sys.exit(77)
    return python


def build(builder, kind, source):
    """Build the sdist or the wheel."""
    run(builder, "-m", "build", "--no-isolation", kind, "-o", PLACE, source, stdout=subprocess.DEVNULL)
    return next(PLACE.glob({"--sdist": "*.tar.gz", "--wheel": "*.whl"}[kind]))


def tracked_files():
    """The files that git tracks, or None where this is not a repository."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 or not (ROOT / ".git").exists():
        return None
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}


def check_sdist(checks, sdist):
    """Check the sdist and unpack it. Returns the folder."""
    with tarfile.open(sdist) as archive:
        archive.extractall(PLACE, filter="data")
        names = {name.partition("/")[2] for name in (member.name for member in archive if member.isfile())}
    tracked = tracked_files()
    if tracked is None:
        print("::skip files of the sdist: this is no git repository to compare them with")
        checks.skipped += 1
    else:
        missing = tracked - names - NOT_SHIPPED
        checks.expect(not missing, f"the sdist has every file of the repository; missing: {sorted(missing)}")
        strays = names - tracked - MADE  # the sdist takes all that .gitignore does not name
        checks.expect(not strays, f"the sdist has no file that git does not track: {sorted(strays)}")
    return PLACE / sdist.name.removesuffix(".tar.gz")


def relative_links(markdown):
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", markdown) if "://" not in target]


def check_wheel(checks, wheel, source, builder):
    with zipfile.ZipFile(wheel) as archive:
        metadata_name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(archive.read(metadata_name))
        libraries = {name: archive.read(name) for name in archive.namelist() if name.endswith(".so")}
        names = set(archive.namelist())
    tree = source / "python"
    modules = {path.relative_to(tree).as_posix() for ending in ("py", "pyi") for path in tree.rglob(f"*.{ending}")}
    checks.expect(len(modules) > 1, f"the package has modules: {len(modules)}")
    checks.expect(not modules - names, f"the wheel has every module; missing: {sorted(modules - names)}")
    checks.expect(metadata.get_all("Project-URL"), f"project URLs: {metadata.get_all('Project-URL')}")
    page = metadata.get_payload()
    checks.expect(len(page) > 2000, "the index page is the README")
    checks.expect(not relative_links(page), f"no link of the index page is relative: {relative_links(page)}")
    code = "import index_page as p; print(p.index_page(p.README.read_text(), {'Source': 'https://host/x'}, '9'))"
    with_source = run(builder, "-c", code, cwd=source / "tools", stdout=subprocess.PIPE, text=True).stdout
    good = not relative_links(with_source) and "(https://host/x/blob/v9/docs/reference/limits.md)" in with_source
    checks.expect(good, "with a public repository the links lead there")
    for name, library in libraries.items():
        checks.expect(not any(section in library for section in NOT_IN_STRIPPED), f"{name} is stripped")
        checks.expect(len(library) < LARGEST_LIBRARY, f"{name}: {len(library):,} bytes")
    return bool(libraries)


def check_built_again(checks, builder, source, sdist, wheel):
    """Reproducible: a second build, from nothing and at another time, has the same bytes."""
    first = sdist.read_bytes(), wheel.read_bytes()
    shutil.rmtree(source / "build")
    for path in source.rglob("*.py"):
        path.touch()
    checks.expect(build(builder, "--sdist", ROOT).read_bytes() == first[0], "the sdist built again is the same")
    checks.expect(build(builder, "--wheel", source).read_bytes() == first[1], "the wheel built again is the same")


def run_suites(checks, python, source):
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "CTRACEMALLOC", "CTM_LONG")}
    run(python, "tests/pyext/fixtures/build.py", cwd=source, env=env)
    for suite in SUITES:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run([python, *suite], cwd=source, env=env, **output)
        if "pytest" in suite or "parity" in suite[0]:
            checks.add_suite(suite, done)
        else:
            checks.expect(done.returncode == 0, " ".join(suite))


def main():
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    checks = Checks()
    builder = make_environment("builder", "build", *BUILD_REQUIRES, "twine")
    sdist = build(builder, "--sdist", ROOT)
    source = check_sdist(checks, sdist)
    wheel = build(builder, "--wheel", source)
    check_built_again(checks, builder, source, sdist, wheel)
    checks.expect(check_wheel(checks, wheel, source, builder), "the wheel has the extension")
    twine = subprocess.run([builder, "-m", "twine", "check", "--strict", sdist, wheel], capture_output=True, text=True)
    checks.expect(twine.returncode == 0, f"twine check: {twine.stdout.strip()[-300:]}")
    python = make_environment("user", wheel, *BUILD_REQUIRES, "-r", source / "tests" / "requirements-pytest.txt")
    run_suites(checks, python, source)
    print(f"::counts passed={checks.passed} failed={checks.failed} skipped={checks.skipped}")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
