"""Man pages and completion: made from the parsers, and taken by the programs that read them."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from importlib import metadata
from pathlib import Path

from cli_support import ProgramTest, skip_some_pythons
from ctracemalloc.cli.commands import ALIASES, COMMANDS
from ctracemalloc.model.frames import KEYS


def setUpModule():
    skip_some_pythons()


ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "man"
NAMES = ["ctracemalloc.1", *(f"ctracemalloc-{command}.1" for command in COMMANDS)]
HARMLESS = re.compile(r"missing date|line longer than 80 bytes")


class ManPageTest(unittest.TestCase):
    def test_pages_are_of_the_parsers(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, ROOT / "tools" / "man_pages.py", folder], check=True)
            self.assertEqual({path.name for path in Path(folder).iterdir()}, set(NAMES))
            for name in NAMES:
                made = Path(folder, name).read_text(encoding="utf-8")
                self.assertEqual((PAGES / name).read_text(encoding="utf-8"), made, "tools/man_pages.py writes the pages")
        self.assertEqual({path.name for path in PAGES.iterdir()}, set(NAMES))

    def test_mandoc(self):
        if shutil.which("mandoc") is None:
            self.skipTest("there is no mandoc")
        found = subprocess.run(["mandoc", "-T", "lint", *(PAGES / name for name in NAMES)], capture_output=True, text=True)
        self.assertEqual([line for line in (found.stdout + found.stderr).splitlines() if not HARMLESS.search(line)], [])

    def test_man(self):
        if shutil.which("man") is None or shutil.which("groff") is None:
            self.skipTest("there is no man, or no groff")
        for name in NAMES:
            command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", PAGES / name]
            found = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
            self.assertEqual((found.returncode, found.stderr), (0, ""), name)

    def test_the_wheel_installs_them(self):
        try:
            files = metadata.distribution("ctracemalloc").files or []
        except metadata.PackageNotFoundError:
            self.skipTest("the package is not installed")
        installed = {path.name: path for path in files if path.match("share/man/man1/*.1")}
        if not any(path.match("ctracemalloc/cli/main.py") for path in files):
            self.skipTest("an editable install")
        self.assertEqual(set(installed), set(NAMES))
        for name, path in installed.items():
            self.assertEqual(Path(path.locate()).read_bytes(), (PAGES / name).read_bytes())


class CompletionTest(ProgramTest):
    """The words that a shell offers."""

    def setUp(self):
        super().setUp()
        if importlib.util.find_spec("shtab") is None:
            self.skipTest("needs shtab")
        for name in ("first.ctm", "second.ctm", "other.txt"):
            self.write(name, "")

    def script(self, shell):
        result = self.python("-m", "ctracemalloc", "completion", shell)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return str(self.write(f"completion.{shell}", result.stdout))

    def needs(self, shell):
        if shutil.which(shell) is None:
            self.skipTest(f"there is no {shell}")

    def offered(self, command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(done.stdout.split("\n")) - {""}

    def check_offers(self, offers):
        """offers(*words): what is offered for the last of the words."""
        self.assertTrue({"report", "recording"} <= offers("re"))
        self.assertEqual(offers("tim"), {"timeline"})
        self.assertTrue(set(COMMANDS) | set(ALIASES) <= offers(""))
        self.assertEqual(offers("report", "--thr"), {"--threshold"})
        self.assertEqual(offers("report", "-k", "f"), {"function", "filename"})
        self.assertEqual(offers("diff", "--key", ""), set(KEYS))
        self.assertEqual(offers("run", "-k", ""), set(KEYS))
        self.assertEqual(offers("report", "fir"), {"first.ctm"})
        self.assertEqual(offers("diff", "first.ctm", "sec"), {"second.ctm"})
        self.assertEqual(offers("timeline", "-o", "oth"), {"other.txt"})

    def test_bash(self):
        self.needs("bash")
        script = self.script("bash")
        ask = (
            'source "$1"; shift; COMP_WORDS=(ctracemalloc "$@"); COMP_CWORD=$#; '
            'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; '
            '_shtab_ctracemalloc ctracemalloc "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; '
            "printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        self.check_offers(lambda *words: self.offered(["bash", "--norc", "-c", ask, "bash", script, *words]))

    def test_fish(self):
        self.needs("fish")
        script = self.script("fish")

        def offers(*words):
            line = " ".join(["ctracemalloc", *words])
            found = self.offered(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"])
            return {word.partition("\t")[0] for word in found}

        self.check_offers(offers)

    def test_zsh(self):
        self.needs("zsh")
        script = self.script("zsh")
        # In a terminal of zsh's own Tab is pressed; it waits for the text that has to appear.
        ask = (
            "zmodload zsh/zpty; zpty -b z zsh -f -i; "
            'zpty -w z "PS1=; PS2=; stty -echo; autoload -Uz compinit; compinit -u -D; source $1"; '
            "zpty -w z 'compdef _shtab_ctracemalloc ctracemalloc; echo re''ady'; zpty -r z line '*ready*'; "
            'zpty -w -n z "$2"$\'\\t\'; zpty -r z line "*$3*" && echo shown; zpty -d z'
        )
        for line, text in (
            ("ctracemalloc tim", "timeline"),
            ("ctracemalloc report --thr", "--threshold"),
            ("ctracemalloc report -k pack", "package"),
            ("ctracemalloc report fir", "first.ctm"),
        ):
            self.assertEqual(self.offered(["zsh", "-f", "-c", ask, "zsh", script, line, text]), {"shown"})

    def test_what_is_refused(self):
        result = self.python("-m", "ctracemalloc", "completion", env={**self.environment, "SHELL": "/bin/ksh"})
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("which shell? completion takes bash, zsh, fish, tcsh\n", result.stderr)
        code = "import sys; sys.modules['shtab'] = None; from ctracemalloc.cli.main import main; sys.exit(main(sys.argv[1:]))"
        result = self.python("-c", code, "completion", "bash")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("completion needs the package shtab: pip install 'ctracemalloc[cli]'\n", result.stderr)


if __name__ == "__main__":
    unittest.main()
