#!/usr/bin/env python3
"""pytest-memray's own tests with ctracemalloc's plugin in memray's place.

Model: the tests are those of its sdist (requirements.txt: one version, of which pip compares the hash), unmodified but for the
version of Python that limit_leaked_objects needs there. memray_standin.py is what they see of memray. They are run twice: with
`--memray` asking for the plugin, and with markers alone. A test that ends differently is a failure, unless differences.toml
says so, and that for a reason; one that it names and that passes is a failure, too.

Status 77: what is needed cannot be downloaded.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
PLACE = ROOT / "build" / "pytest-memray-{}.{}".format(*sys.version_info)
NEEDED_THERE, NEEDED_HERE = "sys.version_info < (3, 13, 3)", "sys.version_info < (3, 11)"
WAYS = ("option", "markers")
# Others that are installed would be in the runs of these tests as well.
PLUGINS = ("ctracemalloc_pytest", "memray_standin", "xdist.plugin", "anyio.pytest_plugin", "flaky.flaky_pytest_plugin")


def pip(*words):
    command = [sys.executable, "-m", "pip", words[0], "-q", "--disable-pip-version-check", "--no-deps", *map(str, words[1:])]
    subprocess.run(command, check=True)


def fetch():
    """The unpacked sdist, and a folder with the other packages."""
    shutil.rmtree(PLACE, ignore_errors=True)
    files, packages = PLACE / "files", PLACE / "packages"
    pip("download", "-d", files, "--no-binary", "pytest-memray", "-r", HERE / "requirements.txt")
    (sdist,) = files.glob("pytest_memray-*.tar.gz")
    pip("install", "--no-index", "--target", packages, *files.glob("*.whl"))
    with tarfile.open(sdist) as archive:
        archive.extractall(PLACE, filter="data")
    return PLACE / sdist.name.removesuffix(".tar.gz"), packages


def take_tests(source):
    """A copy in a folder with settings of its own, which are none: not those of a folder around."""
    tests = PLACE / "run" / "tests"
    shutil.copytree(source / "tests", tests)
    (tests.parent / "pytest.ini").write_text("[pytest]\n", encoding="ascii")
    tracking = tests / "test_object_tracking.py"
    text = tracking.read_text(encoding="utf-8")
    if NEEDED_THERE not in text:
        sys.exit(f"{tracking.name} has no {NEEDED_THERE!r}")
    tracking.write_text(text.replace(NEEDED_THERE, NEEDED_HERE), encoding="utf-8")
    return tests


def run(tests, way, folders):
    """{name of a test: the text of its failure, "" if it passed}; a skipped one is none."""
    report = PLACE / f"{way}.xml"
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ",".join(PLUGINS), "STANDIN": way}
    env = {**os.environ, **own, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    options = ("-q", "--tb=short", "-p", "no:cacheprovider", f"--junit-xml={report}")
    log = PLACE / f"{way}.log"
    with log.open("wb") as file:
        subprocess.run([sys.executable, "-m", "pytest", *options, tests], cwd=tests.parent, env=env, stdout=file, stderr=file)
    print(f"{way}: what pytest says is in {log}", flush=True)
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        group = case.get("classname").rpartition(".")[2]
        name = f"{group}::{case.get('name')}" if group.startswith("Test") else case.get("name")
        if case.find("skipped") is None:
            wrong = [child for child in case if child.tag in ("failure", "error")]
            found[name] = "\n".join((child.get("message") or "") + "\n" + (child.text or "") for child in wrong)
    return found


def covers(entry, name):
    return any(fnmatchcase(name, pattern) for pattern in entry["tests"])


class Judged:
    """Of all tests, both ways."""

    def __init__(self, table):
        self.left_out, self.differences = table["left_out"], table["difference"]
        self.passed = self.failed = self.explained = 0

    def fail(self, text):
        self.failed += 1
        print(f"FAIL: {text}", flush=True)

    def judge(self, way, name, text):
        entries = [one for one in self.differences if covers(one, name) and one.get("with", way) == way]
        if not entries:
            self.passed += not text
            if text:
                self.fail(f"{way}: {name}: {text.strip()}")
        elif not text:
            self.fail(f"{way}: {name} passes, which differences.toml does not expect: {entries[0]['why']}")
        elif re.search(entries[0]["failure"], text) is None:
            self.fail(f"{way}: {name} fails in another way than expected ({entries[0]['failure']}): {text.strip()}")
        else:
            self.explained += 1
            print(f"::skip {way}: {name}: {entries[0]['why']}")

    def judge_all(self, way, found):
        names = [name for name in found if not any(covers(entry, name) for entry in self.left_out)]
        for name in names:
            self.judge(way, name, found[name])
        for entry in (*self.left_out, *self.differences):
            for pattern in entry["tests"]:
                if not any(fnmatchcase(name, pattern) for name in found):
                    self.fail(f"{way}: there is no test {pattern}, which differences.toml names")


def main():
    try:
        source, packages = fetch()
    except subprocess.CalledProcessError as error:
        print(f"what is needed cannot be downloaded: {error}")
        return 77
    tests = take_tests(source)
    judged = Judged(tomllib.loads((HERE / "differences.toml").read_text(encoding="utf-8")))
    for way in WAYS:
        judged.judge_all(way, run(tests, way, (HERE, source / "src", packages)))
    print(f"::counts passed={judged.passed} failed={judged.failed} skipped={judged.explained}")
    return 1 if judged.failed else 0


if __name__ == "__main__":
    sys.exit(main())
