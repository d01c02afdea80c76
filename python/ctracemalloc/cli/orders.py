"""Orders to a running program: start or stop tracing, for attach and detach.

Model: an order is a file of Python code, which the interpreter of the program runs at its next opportunity
(sys.remote_exec, Python 3.14 and newer). A failure is an exception whose message is one line.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

import ctracemalloc

from ..blackbox.finding import find

PATIENCE = 10.0  # seconds that a program has to run the order

# The program's stderr belongs to the program: an error of the order is written into a file, the answer.
FRAME = """\
import sys
try:
{code}
except BaseException as error:
    try:
        with open({answer!r}, "r+", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{{type(error).__name__}}: {{error}}")
    except OSError:
        pass
"""
START = """\
    is_missing = {folder!r} not in sys.path
    if is_missing:
        sys.path.append({folder!r})
    try:
        import ctracemalloc
        ctracemalloc.start({nframe}, black_box=True)
    finally:
        if is_missing:
            sys.path.remove({folder!r})
"""
STOP = """\
    if "ctracemalloc" in sys.modules:
        sys.modules["ctracemalloc"].stop()
        sys.modules["ctracemalloc.blackbox.writing"].remove_owned()
"""


def require_orders(what: str, advice: str = "") -> None:
    """what: for example "process 1 has no black box, and {python} cannot start one"."""
    if not hasattr(sys, "remote_exec"):
        version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        raise OSError(f"{what.format(python=version)} in a running program (3.14 and newer can){advice}")


def send(pid: int, code: str) -> None:
    folder = tempfile.mkdtemp(prefix="ctracemalloc-")
    path, answer = os.path.join(folder, "order.py"), os.path.join(folder, "answer")
    write(path, FRAME.format(code=code, answer=answer))
    write(answer, "")
    # The program may run as another user.
    os.chmod(folder, 0o711)
    os.chmod(path, 0o644)
    os.chmod(answer, 0o622)
    try:
        order(pid, path)
        wait_until_done(pid, code, answer)
    except TimeoutError:
        # The program may run the file later, and a missing file would make it print an error. So an empty file stays.
        write(path, "")
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def order(pid: int, path: str) -> None:
    """Have the interpreter run the file. Its errors, of several types and many texts, become one line each."""
    remote_exec: Callable[[int, str], None] = sys.remote_exec  # type: ignore[attr-defined]
    try:
        remote_exec(pid, path)
    except PermissionError:
        raise PermissionError(f"process {pid} may not be looked into: it is another user's, or the system forbids it") from None
    except (OSError, RuntimeError, ValueError) as error:
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"process {pid} has ended") from None
        if not runs_python(pid):
            raise OSError(f"process {pid} is no Python that takes orders") from None
        raise OSError(f"process {pid} takes no orders: {' '.join(str(error).split())}") from None


def runs_python(pid: int) -> bool:
    """Does the process have an interpreter, as far as its mapped files show?"""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            return any("python" in os.path.basename(line.rstrip()) for line in maps)
    except OSError:
        return True


def wait_until_done(pid: int, code: str, answer: str) -> None:
    """Wait until the black box exists (START) or has ended (STOP), at most PATIENCE: the program may be in a long call."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (find(pid) is None) == (code is STOP):
            return
        with open(answer, encoding="utf-8", errors="replace") as file:
            text = " ".join(file.read().split())
        if text:
            raise OSError(f"process {pid} could not do it: {text}")
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"process {pid} has ended")
        time.sleep(0.05)
    raise TimeoutError(f"process {pid} has not done it in {PATIENCE:.0f} seconds: it may be in a long call")


def start(pid: int, nframe: int) -> None:
    folder = os.path.dirname(os.path.dirname(os.path.abspath(ctracemalloc.__file__)))
    require_orders(
        f"process {pid} has no black box, and {{python}} cannot start one",
        ": start the program with `python -m ctracemalloc run --black-box auto ...` or let it call start(black_box=True)",
    )
    send(pid, START.format(folder=folder, nframe=nframe))


def stop(pid: int) -> None:
    require_orders(f"process {pid} has a black box, but {{python}} cannot stop tracing")
    send(pid, STOP)
