#!/usr/bin/env python3
"""Checks the files in changes/, then lets towncrier read them.

towncrier takes an empty file, any extension, a number for a name (an issue's), and skips some names in silence. Here a file is
NAME.KIND.md, NAME words with dashes, KIND one of pyproject.toml's, and its text is whole sentences (changes/README.md).

usage: check_changes.py [ROOT]
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path


def problem_of(path, kinds):
    """What is wrong with a file in changes/, or None."""
    if not re.fullmatch(rf"[a-z][a-z0-9]*(-[a-z0-9]+)*\.({'|'.join(kinds)})\.md", path.name):
        return f"the name is not NAME.KIND.md, with KIND one of {', '.join(kinds)}"
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        return "it is empty"
    if re.match(r"[-*#]", text) or not re.search(r"[.!?)`]$", text):
        return "it is not whole sentences, without a dash or heading before them"
    return None


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    kinds = [kind["directory"] for kind in settings["type"]]
    status = 0
    for path in sorted((root / settings["directory"]).rglob("*")):
        problem = None if path.name in settings["ignore"] else problem_of(path, kinds)
        if problem:
            print(f"{path.relative_to(root)}: {problem}", flush=True)
            status = 1
    towncrier = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0"]
    return status or subprocess.run(towncrier, cwd=root).returncode


if __name__ == "__main__":
    sys.exit(main())
