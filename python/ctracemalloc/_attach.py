"""`python -m ctracemalloc attach` and `detach`: looking into a running program.

Model: what there is to see is in the program's black box, which attach reads; the program does nothing for it. A program
that has none can be told to start one where the interpreter takes such orders (sys.remote_exec, Python 3.14 and newer).
What cannot be done is said in one line, with exit status 2 (_cli.py).
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

from . import _black_box, _compression, _output, _report, _source
from ._black_box import BlackBox, Totals
from ._report import format_bytes, format_change
from ._terminal import Style

PATIENCE = 10.0  # seconds that a program gets to run what it was sent
PER_SECOND = "  per second  "
CLEAR = "\x1b[H\x1b[2J"

# The program's own stderr is not for us: what goes wrong there is answered through a file.
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
    sys.path.append({folder!r})
    try:
        import ctracemalloc
        ctracemalloc.start({nframe}, black_box=True)
    finally:
        sys.path.remove({folder!r})
"""
STOP = """\
    if "ctracemalloc" in sys.modules:
        sys.modules["ctracemalloc"].stop()
        sys.modules["ctracemalloc._black_box"].remove_owned()
"""


def main(parsed: argparse.Namespace) -> int:
    if parsed.command == "detach":
        return detach(parsed.pid)
    if parsed.output is not None:
        _output.check(parsed.output, _output.SNAPSHOT, inputs=[parsed.target], force=parsed.force)
    target = int(parsed.target) if parsed.target.isascii() and parsed.target.isdecimal() else parsed.target
    if isinstance(target, int) and _black_box.find(target) is None and os.path.exists(f"/proc/{target}"):
        begin(target, parsed.nframe)
    if not isinstance(target, int):
        _source.expect(target, _output.BLACK_BOX)
    with _black_box.attach(target) as box:
        if parsed.output is not None:
            snapshot = box.snapshot()
            snapshot.run = _source.of_box(box)
            snapshot.dump(parsed.output, compression=_compression.of_name(parsed.output))
            return 0
        try:
            watch(box, parsed)
        except KeyboardInterrupt:
            pass
    return 0


# --- orders to a program without a black box ---


def require_orders(what: str, advice: str = "") -> None:
    """what: as in "process 1 has no black box, and Python 3.13 cannot start one"."""
    if not hasattr(sys, "remote_exec"):
        version = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        raise OSError(f"{what.format(python=version)} in a running program (3.14 and newer can){advice}")


def send(pid: int, code: str) -> None:
    folder = tempfile.mkdtemp(prefix="ctracemalloc-")
    path, answer = os.path.join(folder, "order.py"), os.path.join(folder, "answer")
    write(path, FRAME.format(code=code, answer=answer))
    write(answer, "")
    # The program may be another user's.
    os.chmod(folder, 0o711)
    os.chmod(path, 0o644)
    os.chmod(answer, 0o622)
    try:
        order(pid, path)
        wait_until_done(pid, code, answer)
    except TimeoutError:
        # The program may come to it yet, and would complain of a file that is gone: it is to find one with nothing to do.
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
    """Errors in one line: the interpreter has many, and several kinds of them."""
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
    """Is there an interpreter in it, as far as can be seen?"""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            return any("python" in os.path.basename(line.rstrip()) for line in maps)
    except OSError:
        return True


def wait_until_done(pid: int, code: str, answer: str) -> None:
    """Until the box is there (START) or has ended (STOP), or patience ends: the program may be in a long call."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (_black_box.find(pid) is None) == (code is STOP):
            return
        with open(answer, encoding="utf-8", errors="replace") as file:
            text = " ".join(file.read().split())
        if text:
            raise OSError(f"process {pid} could not do it: {text}")
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"process {pid} has ended")
        time.sleep(0.05)
    raise TimeoutError(f"process {pid} has not done it in {PATIENCE:.0f} seconds: it may be in a long call")


def begin(pid: int, nframe: int) -> None:
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    require_orders(
        f"process {pid} has no black box, and {{python}} cannot start one",
        ": start the program with `python -m ctracemalloc run --black-box auto ...` or let it call start(black_box=True)",
    )
    send(pid, START.format(folder=folder, nframe=nframe))


def detach(pid: int) -> int:
    if _black_box.find(pid) is None:
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"there is no process {pid}")
        raise FileNotFoundError(f"process {pid} has no black box")
    require_orders(f"process {pid} has a black box, but {{python}} cannot stop tracing")
    send(pid, STOP)
    return 0


# --- watching ---


def watch(box: BlackBox, parsed: argparse.Namespace) -> None:
    style = Style.for_stream(sys.stdout, parsed.no_color)
    last: Totals | None = None
    looks = 0
    while True:
        running = box.running
        snapshot, now = box.snapshot(), time.time()
        totals = _black_box.totals_of(snapshot, now)
        state = style.name(f"{_source.describe_box(box, running)}  {box.command}")
        title = f"process {box.pid}"
        lines = [f"{style.bold(title)}  {style.text(state, len(title) + 2)}"]
        lines += _report.format_snapshot(snapshot, parsed.key, parsed.top, style)
        if last is not None:
            lines += ["", *format_rates(last, totals, style)]
        text = "\n".join(lines)
        print(CLEAR + text if style.color else text, flush=True)
        looks += 1
        if looks == parsed.count or not running:
            return
        last = totals
        time.sleep(parsed.interval)


def format_rates(old: Totals, new: Totals, style: Style) -> list[str]:
    rates = _black_box.rates_between(old, new)
    text = (
        f"{format_change(rates.size)} live, {rates.count:+,.1f} blocks;"
        f" {format_bytes(rates.allocated_size)} in {rates.allocated_count:,.0f} blocks allocated"
    )
    first, *rest = style.prose(text, len(PER_SECOND))
    return [PER_SECOND + first, *(" " * len(PER_SECOND) + line for line in rest)]
