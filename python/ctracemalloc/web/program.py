"""Facts about this program, as a snapshot's `run` has them."""

import os
import sys
from typing import Any


def run_facts() -> dict[str, Any]:
    return {"command": command(), "pid": os.getpid()}


def command() -> list[str]:
    """Without the interpreter, if that is known."""
    return sys.argv if sys.argv and sys.argv[0] else sys.orig_argv
