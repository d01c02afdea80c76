"""Messages to file descriptor 2, which the program may write to as well.

Model: a message is one line that begins with the package's name. It is not written through sys.stderr, for two reasons: a
signal handler may have interrupted the program inside sys.stderr's write, where a second write is an error; and the program
may have replaced the object.
"""

import os
import sys
from typing import NoReturn

from ._words import printable

# Whether this process was started with a stderr, as the interpreter found it. If not, descriptor 2 is another file, now or
# later: the one that site reads, or one of the program's.
STDERR = sys.__stderr__ is not None


def complain(message: str) -> None:
    write_stderr(f"ctracemalloc: {printable(message)}\n")


def write_stderr(text: str, encoding: str = "utf-8") -> None:
    data = memoryview(text.encode(encoding, "backslashreplace"))
    try:
        while STDERR and data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # closed, or it has no reader; the snapshot file exists


def refuse(message: str, status: int = 1) -> NoReturn:
    """End the process. Does not raise SystemExit, which the site module would turn into a fatal error."""
    complain(message)
    os._exit(status)
