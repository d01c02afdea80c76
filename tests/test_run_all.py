"""The driver itself: how it counts the end of a suite, and that it ends a suite that hangs."""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.join(sys.path[0], "zoo"))
import members
import run as zoo
import run_all


def judge(status, text, command=("x.py",), one_test=False):
    suite = run_all.Suite("x", list(command), 5, one_test=one_test)
    return run_all.judge(suite, "x", status, "$ command\n" + text, 1.0, "x.log")


PYTEST = ("-m", "pytest", "tests/x")
GOOD = "::counts passed=3 failed=0 skipped=0\n"


class JudgeTest(unittest.TestCase):
    def test_counts_and_skips(self):
        outcome = judge(0, "::skip a: b\n::counts passed=3 failed=0 skipped=1\n")
        self.assertEqual(outcome.status, "PASS")
        self.assertEqual((outcome.passed, outcome.failed, outcome.skipped), (3, 0, 1))
        self.assertEqual(outcome.reasons, ["a: b"])

    def test_counts_twice_are_a_failure(self):
        for command in (("x.py",), PYTEST):
            outcome = judge(0, "FAILED a.py::test_x\n::counts passed=0 failed=1 skipped=0\n" + GOOD, command)
            self.assertEqual((outcome.status, outcome.passed, outcome.failed), ("FAIL", 3, 1))
            self.assertEqual(judge(0, GOOD + GOOD, command).status, "FAIL")
            self.assertIn("2 lines of counts", judge(0, GOOD + GOOD, command).reasons[-1])

    def test_no_counts_are_a_failure(self):
        for status in (0, 1, 77, -6):
            self.assertEqual(judge(status, "a.py::test_x ", PYTEST).status, "FAIL", status)
        self.assertEqual(judge(0, "all is well\n").status, "FAIL")

    def test_a_crash_after_good_counts_is_a_failure(self):
        outcome = judge(-11, "::counts passed=3 failed=0 skipped=0\n")
        self.assertEqual((outcome.status, outcome.failed), ("FAIL", 1))

    def test_no_end_in_time_is_a_failure(self):
        outcome = judge(None, "working\n")
        self.assertEqual((outcome.status, outcome.failed), ("FAIL", 1))
        self.assertIn("no end", outcome.reasons[-1])

    def test_a_suite_that_ran_nothing_is_a_failure(self):
        self.assertEqual(judge(0, "::counts passed=0 failed=0 skipped=0\n").status, "FAIL")

    def test_failed_tests_win_over_a_good_exit_status(self):
        self.assertEqual(judge(0, "::counts passed=9 failed=1 skipped=0\n").status, "FAIL")

    def test_it_says_what_failed(self):
        text = "ERROR: setUp (a.B)\nFAIL: test_x (a.B.test_x)\n::skip a: b\n::counts passed=9 failed=2 skipped=1\n"
        self.assertEqual(judge(1, text).reasons, ["setUp (a.B)", "test_x (a.B.test_x)"])
        self.assertEqual(judge(1, "CMake Error\n::counts passed=9 failed=1 skipped=0\n").reasons[1:], ["CMake Error"])

    def test_it_says_what_pytest_said(self):
        text = (
            "=== FAILURES ===\n___ X.test_x [deep] (n=1) ___\na.py:3: in test_x\n    f(1)\nE   ValueError: n\nE   \n"
            "=== short test summary info ===\nFAILED a.py::X::test_x - ValueError: n\n::counts passed=9 failed=1 skipped=0\n"
        )
        self.assertEqual(judge(1, text).reasons, ["X.test_x [deep] (n=1)", "    ValueError: n"])

    def test_could_not_run(self):
        outcome = judge(77, "no compiler\n")
        self.assertEqual((outcome.status, outcome.skipped, outcome.reasons), ("SKIP", 1, ["no compiler"]))
        self.assertEqual(judge(77, GOOD).status, "FAIL")

    def test_a_suite_that_is_one_test_needs_no_counts(self):
        self.assertEqual((judge(0, "", one_test=True).passed, judge(1, "", one_test=True).failed), (1, 1))

    def test_a_crash_is_told_with_where_it_was(self):
        text = "test_x (a.B) ... Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n"
        text += "".join('  File "a.py", line %d in f\n' % line for line in range(30))
        wanted = ["test_x (a.B) ... Fatal Python error: Aborted"] + ['File "a.py", line %d in f' % line for line in range(3)]
        self.assertEqual(judge(-6, text).reasons[:4], wanted)


class ProgressTest(unittest.TestCase):
    def test_a_python_of_debian_sid_has_its_file_in_its_folder(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, CTM_SID=folder):
            python = run_all.Python("3.14", ["tools/sid.sh", "run"], "build/venv-3.14/bin/python")
            there, named = run_all.progress_of(python, "/logs/3.14-pyext.log")
            self.assertEqual(there, folder + named)
            self.assertEqual(named, "/ctm/build/logs/3.14-pyext.progress")
            open(there, "w").close()

    def test_others_have_it_beside_the_log(self):
        wanted = os.path.join(run_all.LOGS, "3.13-pyext.progress")
        self.assertEqual(run_all.progress_of(run_all.Python("3.13", [], "python3"), "/logs/3.13-pyext.log"), (wanted, wanted))


class ZooTest(unittest.TestCase):
    def test_each_pair_of_options_is_in_some_build(self):
        self.assertEqual(members.uncovered(), [])

    def test_a_pair_that_no_build_has_is_named(self):
        builds = members.BUILDS
        self.addCleanup(setattr, members, "BUILDS", builds)
        members.BUILDS = [build for build in builds if (build.compiler, build.lto) != ("clang", "lto")]
        self.assertIn((0, "clang", 2, "lto"), members.uncovered())

    def test_the_small_zoo_is_of_members(self):
        names = [member.name for member in members.all_members()]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(set(members.SMALL), set(names))

    def test_builds_of_all_versions_are_members(self):
        built = [member for member in members.all_members() if isinstance(member, members.Built)]
        self.assertEqual(len(built), len(members.BUILDS) * len(members.VERSIONS))


class ZooCountsTest(unittest.TestCase):
    """How the zoo counts a member that is not available, was not built, or fails a test."""

    def replace(self, name, function):
        self.addCleanup(setattr, zoo, name, getattr(zoo, name))
        setattr(zoo, name, function)

    def counts(self, **replaced):
        for name, function in replaced.items():
            self.replace(name, function)
        counts = zoo.try_member(members.SHIPPED[0], io.BytesIO(), mock.Mock(ready=False))
        return counts.passed, counts.failed, counts.skipped

    def end_of_tests(self, status, output):
        step = mock.Mock(return_value=(status, output))
        place = zoo.Place("python", "/tree", "/tree", None)
        return self.counts(place_of=lambda *_: place, install=lambda *_: True, add_numpy=lambda *_: "", step=step)

    def test_not_possible_is_a_skip(self):
        place_of = mock.Mock(side_effect=zoo.build.NotPossible("the mirror does not have it"))
        self.assertEqual(self.counts(place_of=place_of), (0, 0, ["the mirror does not have it"]))

    def test_not_built_is_a_failure(self):
        place_of = mock.Mock(side_effect=zoo.build.BuildFailed("make"))
        self.assertEqual(self.counts(place_of=place_of), (0, 1, []))

    def test_what_the_tests_inside_counted(self):
        output = "test_a (x.test_a) ... ok\ntest_b (x.test_b)\nA line. ... ok\ntest_c (x.test_c) ... skipped 'no pandas'\n"
        self.assertEqual(self.end_of_tests(0, output), (4, 0, ["test_c (x.test_c) ... skipped 'no pandas'"] * 2))

    def test_a_test_that_fails_inside(self):
        output = "test_a (x) ... ok\ntest_numpy (x) ... FAIL\nFAIL: test_numpy (x)\nRan 2 tests in 1.0s\n"
        self.assertEqual(self.end_of_tests(1, output), (2, 2, []))

    def test_a_crash_inside(self):
        self.assertEqual(self.end_of_tests(-11, "test_a (x) ... ok\n"), (2, 2, []))
        self.assertEqual(self.end_of_tests(None, ""), (0, 2, []))


class LeftOutTest(unittest.TestCase):
    def test_a_suite_of_a_version_that_is_not_here_is_a_skip(self):
        suites = [run_all.Suite("cost", ["x"], 1, "3.13"), run_all.Suite("parity", ["x"], 1)]
        python = run_all.Python("3.14", [], "python")
        left_out = run_all.left_out(suites, [python])
        self.assertEqual([(o.name, o.status, o.skipped) for o in left_out], [("cost", "SKIP", 1)])
        self.assertEqual(run_all.left_out(suites, [python._replace(version="3.13")]), [])


def uncollected(root):
    """The files below root/tests that have tests which nothing collects: by their name, or by the folder they are in."""
    deep = [suite.command[-1] for suite in run_all.all_suites() if run_all.is_pytest(suite)]
    flat = ["tests", "tests/docs", "tests/lab", "tests/zoo/inside"]  # this file; the run.py of tests/docs, lab and zoo
    of_c = ["tests/libctm", "tests/pyext"]  # CMakeLists.txt
    found = []
    for folder, _folders, names in os.walk(os.path.join(root, "tests")):
        place = os.path.relpath(folder, root)
        is_in = [above for above in deep + of_c if (place + "/").startswith(above + "/")]
        for name in names:
            path = os.path.join(place, name)
            if re.match(r"test_.*\.py$", name):
                good = place in flat or set(is_in) & set(deep)
            elif re.match(r"test_.*\.c$", name):
                good = set(is_in) & set(of_c)
            else:
                good = not has_tests(os.path.join(root, path))
            found += [] if good else [path]
    return sorted(found)


def has_tests(path):
    if not path.endswith((".py", ".c", ".h")):
        return False
    with open(path, encoding="utf-8") as file:
        pattern = r"^ *(async )?def test_" if path.endswith(".py") else r"^ *TEST_LIST\b"
        return bool(re.search(pattern, file.read(), re.M))


class CollectionTest(unittest.TestCase):
    def test_every_file_with_tests_is_collected(self):
        self.assertEqual(uncollected(run_all.ROOT), [])

    def test_one_that_is_not_is_named(self):
        texts = {
            "tests/libctm/query/order_test.c": "TEST_LIST = {{NULL}};\n",
            "tests/newroom/test_x.py": "",
            "tests/newroom/test_x.c": "",
            "tests/docs/inner/test_x.py": "",
            "tests/package/checks.py": "class A:\n    def test_a(self):\n",
        }
        with tempfile.TemporaryDirectory() as root:
            for name, text in texts.items():
                os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
                with open(os.path.join(root, name), "w") as file:
                    file.write(text)
            self.assertEqual(uncollected(root), sorted(texts))


class TimeTest(unittest.TestCase):
    def test_ctest_ends_hanging_tests_before_the_driver_ends_their_suite(self):
        with open(os.path.join(run_all.ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            shipped, sanitized, launched = map(int, re.findall(r"set\(ctm_test_timeout (\d+)\)", file.read()))
        seconds = {suite.name: suite.timeout for suite in run_all.libctm_suites()}
        for variant, hanging in (("gcc", 2 * shipped), ("clang", 2 * shipped), ("asan", sanitized), ("tsan", sanitized)):
            self.assertLessEqual(hanging + 600, seconds["libctm:" + variant])
        self.assertLess(launched, seconds["libctm:valgrind"])


class LackingTest(unittest.TestCase):
    """tools/lacking.sh on a machine that has only the programs that a test names."""

    TOOLS = ("bash", "awk", "sort", "head", "tail", "cut", "grep", "sed", "dirname")
    BUILDERS = {"cmake": "echo cmake version 3.99.1", "ninja": "exit 0"}

    def lacking(self, target, programs, root=run_all.ROOT, builders=BUILDERS):
        """(exit status, package names); a program is a shell script of that text."""
        programs = {**builders, **programs}
        with tempfile.TemporaryDirectory() as folder:
            for name in self.TOOLS:
                os.symlink(shutil.which(name), os.path.join(folder, name))
            for name, text in programs.items():
                path = os.path.join(folder, name)
                with open(path, "w") as file:
                    file.write("#!%s/bash\n%s\n" % (folder, text))
                os.chmod(path, 0o755)
            done = subprocess.run(
                ["bash", os.path.join(root, "tools", "lacking.sh"), target],
                env={"PATH": folder},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        found = re.search(r"apt-get install --no-install-recommends (.*)", done.stdout)
        return done.returncode, found[1].split() if found else done.stdout.split()

    @staticmethod
    def python(version, *lacks):
        """A fake interpreter of that version, for the questions of tools/pythons.sh."""
        return '[ "$3" = %s ] && echo /usr/bin/python%s %s' % (version, version, " ".join(lacks))

    def test_nothing_is_there(self):
        packages = ["gcc", "libc6-dev", "python3-dev", "python3-venv", "cmake", "ninja-build"]
        self.assertEqual(self.lacking("demo", {}, builders={}), (1, packages))

    def test_what_builds_the_package_is_downloaded_if_it_is_not_there(self):
        programs = {"gcc": "exit 0", "python3": self.python("3.13")}
        self.assertEqual(self.lacking("demo", programs, builders={}), (0, ["cmake", "ninja-build"]))
        programs["cmake"] = "echo cmake version 3.18.4"
        self.assertEqual(self.lacking("demo", programs), (0, ["cmake"]))

    def test_a_compiler_without_the_c_librarys_headers(self):
        programs = {"gcc": "exit 1", "python3": self.python("3.14")}
        self.assertEqual(self.lacking("demo", programs), (1, ["libc6-dev"]))

    def test_any_one_python_is_enough(self):
        for version in ("3.11", "3.12", "3.13", "3.14", "3.15"):
            self.assertEqual(self.lacking("demo", {"gcc": "exit 0", "python3": self.python(version)}), (0, []))

    def test_a_python_without_its_headers(self):
        programs = {"gcc": "exit 0", "python3.14": self.python("3.14", "python3.14-dev", "python3.14-venv")}
        self.assertEqual(self.lacking("demo", programs), (1, ["python3.14-dev", "python3.14-venv"]))

    def test_a_python_that_is_too_old(self):
        old = '[ "$1" = -c ] && echo 3.10.13'
        status, words = self.lacking("demo", {"gcc": "exit 0", "python3": old})
        self.assertEqual(status, 1)
        self.assertIn("python3 is 3.10.13, and no other was found", " ".join(words))

    def test_a_compiler_other_than_pythons_own_is_not_enough(self):
        programs = {"clang": "exit 0", "python3": self.python("3.13", "gcc")}
        self.assertEqual(self.lacking("demo", programs), (1, ["gcc"]))

    def test_a_package_is_named_once(self):
        programs = {"python3": self.python("3.13", "python3.13-dev", "gcc")}
        self.assertEqual(self.lacking("demo", programs), (1, ["gcc", "libc6-dev", "python3.13-dev"]))

    def test_a_folder_that_cannot_be_written_to(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(os.path.join(run_all.ROOT, "tools"), os.path.join(folder, "tools"))
            os.mkdir(os.path.join(folder, "python"))
            with open(os.path.join(folder, "build"), "w"):  # root can write to any folder, so a file takes the folder's name
                pass
            status, words = self.lacking("demo", {"gcc": "exit 0", "python3": self.python("3.13")}, root=folder)
        self.assertEqual(status, 1)
        self.assertIn("this user cannot write to %s/build" % folder, " ".join(words))

    def test_what_tests_are_skipped_without(self):
        programs = {"gcc": "exit 0", "python3": self.python("3.13"), "nm": "", "clang": ""}
        self.assertEqual(self.lacking("test", programs), (0, ["pkg-config", "valgrind"]))
        self.assertEqual(self.lacking("test-all", programs), (0, ["pkg-config", "valgrind", "debootstrap"]))


class PythonsTest(unittest.TestCase):
    """tools/pythons.sh, called for the Python that runs this test."""

    def lacks(self, compiler):
        version = "%d.%d" % sys.version_info[:2]
        environment = {**os.environ, "CC": compiler, "PYTHON" + version.replace(".", ""): sys.executable}
        command = [os.path.join(run_all.ROOT, "tools", "pythons.sh"), "--lacking", version]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        return done.stdout.split()[2:]

    def test_its_compiler_is_one_of_the_things_it_needs(self):
        self.assertIn("gcc", self.lacks("no-such-gcc -pthread"))
        self.assertIn("clang", self.lacks("no-such-clang"))
        self.assertNotIn("gcc", self.lacks("true -pthread"))


@unittest.skipUnless(shutil.which("git"), "git is not installed")
class LintTest(unittest.TestCase):
    def test_files_that_git_does_not_know_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "build", "venv-lint", "bin", "pre-commit")
            os.makedirs(os.path.dirname(program))
            os.mkdir(os.path.join(folder, "tools"))
            for name in ("lint.sh", "requirements-lint.txt"):
                shutil.copy(os.path.join(run_all.ROOT, "tools", name), os.path.join(folder, "tools"))
            shutil.copy(
                os.path.join(folder, "tools", "requirements-lint.txt"), os.path.join(folder, "build/venv-lint/requirements")
            )
            os.symlink("/bin/true", program)
            for command in (["git", "init", "-q"], ["git", "add", "-A"]):
                subprocess.run(command, cwd=folder, check=True)
            self.assertEqual(self.said(folder), "")
            with open(os.path.join(folder, "new.py"), "w"):
                pass
            self.assertIn("\nnew.py\n", self.said(folder))

    def said(self, folder):
        command = ["bash", os.path.join(folder, "tools", "lint.sh")]
        return subprocess.run(command, stderr=subprocess.PIPE, check=True, text=True).stderr


class RunTest(unittest.TestCase):
    def test_a_hanging_suite_and_its_children_are_ended(self):
        child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
        code = f"import subprocess, sys, time; {child}; time.sleep(60)"
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            log = os.path.join(folder, "log")
            status = run_all.run_logged([sys.executable, "-c", code], log, 1, dict(os.environ))
        self.assertIsNone(status)
        self.assertLess(time.monotonic() - started, 30)

    def test_every_suite_names_a_file_that_exists(self):
        for suite in run_all.all_suites():
            path = suite.command[-1] if suite.command[0] == "-m" else suite.command[0]
            self.assertTrue(os.path.exists(os.path.join(run_all.ROOT, path)), suite.name)


def main():
    result = unittest.main(exit=False).result
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print("::counts passed=%d failed=%d skipped=%d" % (result.testsRun - failed - skipped, failed, skipped))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
