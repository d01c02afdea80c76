"""Orders to a running program: start or stop tracing, for attach and detach.

Model: an order is a file of Python code, which the interpreter of the program runs at its next opportunity: through
sys.remote_exec where both processes run one version that has it (3.14 and newer), else through a debugger (inject). An order
answers in a file; without an answer, what shows that it was carried out is the program's black box. A failure is an exception
whose message is one line.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import ctracemalloc

from ..blackbox.finding import find
from ..inject import debugger, pending
from ..inject.target import examine, status_of

PATIENCE = 10.0  # seconds that a program has to run the order
HASTE = 1.0  # seconds after which the order goes to a thread of its own
DONE = "done"  # the answer of an order that was carried out
BUSY = "busy"  # the answer of an order that came at the wrong time, and did nothing
PLAIN = "plain: "  # before an answer that is a whole message
METHODS = ("auto", "remote-exec", *debugger.SESSIONS)
INSTEAD = "start the program with `python -m ctracemalloc run --black-box auto ...` or let it call start(black_box=True)"

# The program's stderr belongs to the program: an error of the order is written into a file, the answer.
# The interpreter calls handlers of signals at any time, so also in the order. What a handler raises is not the order's: the
# program gets it. sys.remote_exec has no way for that, and would print it.
FRAME = """\
def order():
    import os, sys
    if os.getpid() != {pid}:
        return  # a fork of the program has inherited the order
    me = object()
    if sys.__dict__.setdefault("_ctracemalloc_orders", {{}}).setdefault({answer!a}, me) is not me:
        return  # another thread has begun with it

    def answer(text):
        if file is not None:
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, text)

    def is_from_handler(error):
        import _signal
        handlers = [getattr(_signal.getsignal(number), "__code__", None) for number in range(1, _signal.NSIG)]
        place = error.__traceback__
        while place is not None:
            if place.tb_frame.f_code in handlers:
                return True
            place = place.tb_next
        return not isinstance(error, Exception)

    try:
        file = os.open({answer!a}, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        file = None
    try:
{code}
        answer(b{done!r})
    except BaseException as error:
        if not is_from_handler(error):
            answer(f"{{type(error).__name__}}: {{error}}".encode("utf-8", "backslashreplace"))
            return
        answer(b{busy!r})
        if {passes_on}:
            raise
    finally:
        if file is not None:
            os.close(file)

order()
"""
START = """\
        for name, module in list(sys.modules.items()):
            if type(module) is type(sys) and name.partition(".")[0] in sys.stdlib_module_names:
                if getattr(module.__dict__.get("__spec__"), "_initializing", False):
                    return answer(b{busy!r})
        if sys.is_finalizing():
            return answer(b"{plain}process {pid} is about to end")
        before = set(sys.modules)
        try:
            try:
                import ctracemalloc
            except ModuleNotFoundError as error:
                import _imp
                if error.name != "ctracemalloc":
                    raise
                names = ["_ctracemalloc" + suffix for suffix in _imp.extension_suffixes()]
                if not any(os.path.exists(os.path.join({folder!a}, "ctracemalloc", name)) for name in names):
                    text = "{plain}process {pid} runs Python %d.%d%s, and this ctracemalloc is for Python {here}: " % (
                        *sys.version_info[:2], " (free-threaded)" if "t" in sys.abiflags else "")
                    if not os.path.isdir({folder!a}):
                        text = "{plain}process {pid} sees other files (a container): "
                    text += "install ctracemalloc for the program's Python (%s)" % (sys.executable or "?")
                    return answer(text.encode("utf-8", "backslashreplace"))
                sys.path.append({folder!a})
                try:
                    import ctracemalloc
                finally:
                    sys.path.remove({folder!a})
        except BaseException:
            for name in set(sys.modules) - before:
                if name.partition(".")[0] == "ctracemalloc":
                    del sys.modules[name]
            raise
        was_tracing = ctracemalloc.is_tracing()
        try:
            ctracemalloc._attached = was_tracing
            ctracemalloc.start({nframe}, black_box=True, sample_interval={sample_interval})
        except BaseException:
            del ctracemalloc._attached
            if not was_tracing:
                ctracemalloc.stop()
            if "ctracemalloc.blackbox.writing" in sys.modules:
                sys.modules["ctracemalloc.blackbox.writing"].remove_owned()
            raise
"""
STOP = """\
        package = sys.modules.get("ctracemalloc")
        was_tracing = getattr(package, "_attached", None)
        if was_tracing is None:
            return answer(b"{plain}the tracing in process {pid} was not started by attach: it goes on")
        if was_tracing:
            sys.modules["ctracemalloc.blackbox.writing"].end()
        else:
            package.stop()
            sys.modules["ctracemalloc.blackbox.writing"].remove_owned()
        del package._attached
"""


class Way(NamedTuple):
    """How orders are sent."""

    method: str
    report: Callable[[str], None]  # given what a debugger is told, and says


class Place(NamedTuple):
    """The folder of an order: its path in the program's file system is `inside`, here it is `root` + `inside`."""

    root: str
    inside: str

    def path(self, name: str) -> str:
        return f"{self.root}{self.inside}/{name}"


def start(pid: int, nframe: int, sample_interval: int | None, way: Way) -> None:
    send(pid, start_code(pid, nframe, sample_interval), lambda: find(pid) is not None, way)


def stop(pid: int, way: Way) -> None:
    send(pid, STOP.format(pid=pid_inside(pid), plain=PLAIN), lambda: find(pid) is None, way)


def start_code(pid: int, nframe: int, sample_interval: int | None) -> str:
    folder = os.path.dirname(os.path.dirname(os.path.abspath(ctracemalloc.__file__)))
    here = f"{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags.replace('t', ' (free-threaded)')}"
    return START.format(
        pid=pid, folder=folder, here=here, nframe=nframe, sample_interval=sample_interval, busy=BUSY, plain=PLAIN
    )


def send(pid: int, code: str, is_done: Callable[[], bool], way: Way) -> None:
    """Have the program run the code. An order that came at the wrong time is sent again."""
    if pid == os.getpid():
        raise OSError(f"process {pid} is this command itself")
    method = method_for(pid, way.method)
    until = time.monotonic() + PATIENCE
    while send_once(pid, code, is_done, way._replace(method=method)) == BUSY and not is_done():
        if time.monotonic() > until:
            raise TimeoutError(f"process {pid} is importing, or its handlers of signals raise exceptions: try again")
        time.sleep(0.1)


def send_once(pid: int, code: str, is_done: Callable[[], bool], way: Way) -> str:
    """The answer: DONE or BUSY."""
    place = make_place(pid)
    try:
        put_into(place, pid, code, passes_on=way.method != "remote-exec")
        if way.method == "remote-exec":
            remote_exec(pid, f"{place.inside}/order.py")
            text = wait_until_done(pid, is_done, place.path("answer"), PATIENCE)
        else:
            text = run_by_debugger(pid, is_done, place, way)
        if text != "":
            return text
        raise TimeoutError(
            f"process {pid} has not done it in {PATIENCE:.0f} seconds, and will not: it may be in a long call, or run no Python"
        )
    except (TimeoutError, KeyboardInterrupt):
        # The program may run the file later, and a missing file would make it print an error. So an empty file stays.
        write(place.path("order.py"), "")
        place = Place("", "")
        raise
    finally:
        if place.inside:
            shutil.rmtree(place.path(""), ignore_errors=True)


def put_into(place: Place, pid: int, code: str, passes_on: bool) -> None:
    """Write the files of an order. passes_on: the program gets exceptions that the order raises."""
    frame = FRAME.format(
        pid=pid_inside(pid), answer=f"{place.inside}/answer", code=code, passes_on=passes_on, done=DONE, busy=BUSY
    )
    write(place.path("order.py"), frame)
    write(place.path("answer"), "")
    # The program may run as another user.
    os.chmod(place.path(""), 0o711)
    os.chmod(place.path("order.py"), 0o644)
    os.chmod(place.path("answer"), 0o622)


def run_by_debugger(pid: int, is_done: Callable[[], bool], place: Place, way: Way) -> str:
    """Have the main thread run the order; if that waits, another thread. The answer; "": none.

    A pending call is made again: a handler of a signal may have raised an exception before the order began.
    """
    until = time.monotonic() + PATIENCE
    order = f"{place.inside}/order.py"
    while time.monotonic() < until:
        pending.run_as_pending_call(pid, order, way.method, way.report)
        text = wait_until_done(pid, is_done, place.path("answer"), HASTE)
        if text != "":
            return text
        with contextlib.suppress(pending.NotNowError):
            pending.run_in_thread(pid, order, way.method, way.report)
            return wait_until_done(pid, is_done, place.path("answer"), PATIENCE)
    return ""


def method_for(pid: int, wanted: str) -> str:
    """A method that works for a process, or the one that is wanted."""
    if wanted == "remote-exec":
        if not hasattr(sys, "remote_exec"):
            raise OSError(f"Python {sys.version_info[0]}.{sys.version_info[1]} has no sys.remote_exec (3.14 and newer have)")
        return wanted
    if wanted != "auto":
        problem = debugger.problem_of(wanted)
        if problem is not None:
            raise OSError(problem)
        return wanted
    target = examine(pid)
    target.close()
    if hasattr(sys, "remote_exec") and target.version == sys.version_info[:2]:
        return "remote-exec"
    for name in debugger.available():
        return name
    version = f"process {pid} runs Python {target.version[0]}.{target.version[1]}"
    for name in debugger.installed():
        raise OSError(f"{version}, and to start or stop tracing there takes a debugger: {debugger.problem_of(name)}")
    needed = "gdb or lldb" if target.version < (3, 14) else f"gdb, lldb or Python {target.version[0]}.{target.version[1]}"
    raise OSError(f"{version}, and to start or stop tracing there takes {needed}: install one, or {INSTEAD}")


def make_place(pid: int) -> Place:
    """A folder that the program sees as well: it may be in a container."""
    root = ""
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt") or not os.path.samefile(
            f"/proc/{pid}/root", "/"
        ):
            root = f"/proc/{pid}/root"
    except OSError:
        pass
    if root and os.path.islink(f"{root}/tmp"):
        raise OSError(f"process {pid} is in a container whose /tmp is a link: give the command inside")
    try:
        return Place(root, tempfile.mkdtemp(prefix="ctracemalloc-", dir=f"{root}/tmp" if root else None)[len(root) :])
    except OSError as error:
        raise OSError(f"process {pid} has no folder for temporary files that can be written to: {error.strerror}") from None


def pid_inside(pid: int) -> int:
    """The process's own view of its id: it may be in a container."""
    return int(status_of(pid).get("NSpid", str(pid)).split()[-1])


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def remote_exec(pid: int, path: str) -> None:
    """Have the interpreter run the file. Its errors, of several types and many texts, become one line each."""
    function: Callable[[int, str], None] = sys.remote_exec  # type: ignore[attr-defined]
    try:
        function(pid, path)
    except PermissionError:
        examine(pid).close()  # says why
        raise PermissionError(f"process {pid} may not be looked into: the system forbids it") from None
    except (OSError, RuntimeError, ValueError) as error:
        examine(pid).close()
        raise OSError(f"process {pid} takes no orders: {' '.join(str(error).split())}") from None


def wait_until_done(pid: int, is_done: Callable[[], bool], answer: str, patience: float) -> str:
    """Wait for the answer: DONE, BUSY, or "" if there is none so far."""
    until = time.monotonic() + patience
    seen: float | None = None  # when it was found to be done
    while time.monotonic() < until:
        text = read(answer)
        if text in (DONE, BUSY):
            return text
        if text.startswith(PLAIN):
            raise OSError(text.removeprefix(PLAIN))
        if text:
            raise OSError(f"process {pid} could not do it: {text}")
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(f"process {pid} has ended")
        if is_done():  # perhaps the program cannot write the answer
            seen = seen or time.monotonic()
            if time.monotonic() - seen > HASTE:
                return DONE
        time.sleep(0.02)
    return ""


def read(answer: str) -> str:
    try:
        with open(answer, encoding="utf-8", errors="replace") as file:
            return " ".join(file.read().split())
    except OSError:
        return ""  # of a container that has ended
