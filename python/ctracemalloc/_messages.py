"""Messages to file descriptor 2, beside what the program itself writes there.

Model: a message is one line that begins with the package's name. It goes past sys.stderr: a signal handler may have
interrupted the program inside sys.stderr's own write, where a second one is an error; and the program may have replaced
the object.
"""

import os
import sys
from typing import NoReturn

from ._words import printable

# Whether this process was given a stderr, as the interpreter found it. If not, what has its number now or later is
# another file: the one that site reads, or one of the program's.
STDERR = sys.__stderr__ is not None


def complain(message: str) -> None:
    write_stderr(f"ctracemalloc: {printable(message)}\n")


def write_stderr(text: str, encoding: str = "utf-8") -> None:
    data = memoryview(text.encode(encoding, "backslashreplace"))
    try:
        while STDERR and data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # closed, or nobody reads it: the snapshot file is there


def refuse(message: str, status: int = 1) -> NoReturn:
    """End the process. Not by SystemExit: the site module would turn it into a fatal error."""
    complain(message)
    os._exit(status)
