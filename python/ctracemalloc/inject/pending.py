"""Having the interpreter of a process run a file, with the help of a debugger.

Model: the process gets two pages: one with an order, whose text has the interpreter run the file, and one with the code that
carries it out (machine.py). This is called in one of two ways:
- as a pending call: CPython makes it in the main thread of the main interpreter, between two instructions of Python code, so
  never during an allocation, a collection of garbage, or any other function of C;
- in a thread of its own, which takes the GIL first: for a program whose main thread waits, so makes no pending calls.
The debugger is only needed to map the pages and to add the call or start the thread, and ends before the order is run. Until
then nothing of the process but these pages has changed. The pages stay, and the next order uses them again.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator

from . import machine
from .debugger import SESSIONS, DebuggerError, Report, Session
from .elf import mappings
from .safety import Judge
from .target import Target, examine, reason_of_refusal, status_of

PAGE = 4096
MAGIC = b"#ctracemalloc "
CODE_PAGE = PAGE - 8  # where in the page of the order the address of the page with the code is
PATIENCE = 3.0  # seconds in which a thread must be found that may make the call
PAUSE, LONGEST_PAUSE = 0.01, 0.2  # seconds between two looks: longer each time, because the process is stopped in each
PROT_READ_WRITE, PROT_READ_EXECUTE = 3, 5
MAP_PRIVATE_ANONYMOUS = 0x22
MAP_SHARED_ANONYMOUS = 0x21  # shared, so that the page is a mapping of its own, which is found again
NO_FILE = (1 << 64) - 1
NO_MEMORY = NO_THREAD = (1 << 64) - PAGE  # and above: an error number

# Only the errors of a file that is not there any more are handled: an order that was taken back. Others are the program's.
TEXT = """\
#ctracemalloc {name}
try:
    with open({path!a}, encoding="utf-8") as file:
        text = compile(file.read(), "<ctracemalloc>", "exec")
except (FileNotFoundError, PermissionError):
    text = ""
exec(text, {{}})
"""


def text_of(path: str) -> bytes:
    return TEXT.format(path=path, name=os.fsencode(path).hex()).encode("ascii")


Add = Callable[[Session, Target, int, int, int], None]  # thread that may make the calls; address of the code, and of the order


class NotNowError(OSError):
    """No thread of the process may make the call, for as long as was tried."""


def run_as_pending_call(pid: int, path: str, method: str, report: Report) -> None:
    """Have the main thread run a file, soon. path: as that process sees it."""
    with examined(pid) as target:
        # 3.11's Py_AddPendingCall gives the call to the interpreter that runs at this moment, which may not be the main one.
        own = ("PyInterpreterState_Main", "_PyEval_AddPendingCall") if is_old(target) else ("Py_AddPendingCall",)
        run(target, path, SESSIONS[method](report), add_pending_call, own, Judge(target).choose)


def run_in_thread(pid: int, path: str, method: str, report: Report) -> None:
    """Have a new thread run a file. path: as that process sees it."""
    with examined(pid) as target:
        run(target, path, SESSIONS[method](report), start_thread, ("PyThread_start_new_thread",), Judge(target).choose_waiting)


@contextlib.contextmanager
def examined(pid: int) -> Iterator[Target]:
    target = examine(pid)
    try:
        yield target
    finally:
        target.close()


def run(
    target: Target, path: str, session: Session, add: Add, functions: tuple[str, ...], choose: Callable[[], int | None]
) -> None:
    with session, going_on(session, target.pid):
        target.need("mmap", "Py_IsInitialized", *machine.NAMES, *functions)
        order = machine.order(target.functions, text_of(path))
        if len(order) > CODE_PAGE:
            raise OSError(f"the name of the folder for temporary files is too long: {path}")
        try:
            while_stopped(
                session, target, choose, lambda thread: add(session, target, thread, *pages_of(session, target, thread, order))
            )
        except DebuggerError as error:
            raise reason_of(target.pid, session, error) from None


@contextlib.contextmanager
def going_on(session: Session, pid: int) -> Iterator[None]:
    """The process must not stay stopped: lldb forgets to let it go on at times, and a debugger ended by force always does."""
    try:
        yield
    finally:
        session.close()
        if session.was_forced or status_of(pid).get("State", "").startswith("T"):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)


def is_old(target: Target) -> bool:
    return target.version < (3, 12)


def reason_of(pid: int, session: Session, error: DebuggerError) -> OSError:
    if not os.path.exists(f"/proc/{pid}"):
        return ProcessLookupError(f"process {pid} has ended")
    if "not permitted" in session.output:
        return PermissionError(f"process {pid} may not be stopped: {reason_of_refusal(pid)}")
    return OSError(f"{error}: --verbose shows what it said")


def while_stopped(session: Session, target: Target, choose: Callable[[], int | None], do: Callable[[int], None]) -> None:
    """Stop the process at a moment at which a thread may make calls, and do it."""
    until, pause = time.monotonic() + PATIENCE, PAUSE
    while True:
        session.attach(target.pid)
        try:
            thread = choose()
            if thread is None:
                raise NotNowError(f"process {target.pid} was at no point at which it can be given an order: try again")
            require_interpreter(session, target, thread)
            do(thread)
            return
        except NotNowError:
            if time.monotonic() > until:
                raise
        finally:
            session.detach()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def require_interpreter(session: Session, target: Target, thread: int) -> None:
    """The first call, which only reads. lldb fails in it if a signal arrives."""
    target.memory.read(target.functions["Py_IsInitialized"], 1)  # an error if the process runs another program by now
    try:
        initialized = session.call(thread, target.functions["Py_IsInitialized"])
    except DebuggerError as error:
        raise NotNowError(f"{error}: --verbose shows what it said") from None
    if not initialized & 0xFFFFFFFF:
        raise NotNowError(f"process {target.pid} has no interpreter that runs: it begins, or it ends")


def pages_of(session: Session, target: Target, thread: int, order: bytes) -> tuple[int, int]:
    """The addresses of the code, and of the order."""
    page = known_page(target, order)
    if page is None:
        code = map_page(session, target, thread, PROT_READ_EXECUTE, MAP_PRIVATE_ANONYMOUS)
        target.memory.write(code, machine.CODE)  # the kernel lets a process with the right to trace write there
        page = map_page(session, target, thread, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS)
        target.memory.write(page + CODE_PAGE, code.to_bytes(8, "little"))
    target.memory.write(page, order)
    return target.memory.number(page + CODE_PAGE), page


def map_page(session: Session, target: Target, thread: int, protection: int, flags: int) -> int:
    """A new page. What the debugger says is checked, because it is written to."""
    before = ranges(target.pid)
    page = session.call(thread, target.functions["mmap"], 0, PAGE, protection, flags, NO_FILE, 0)
    if page >= NO_MEMORY:
        raise OSError(f"process {target.pid} gets no memory")
    if page % PAGE or any(page in item for item in before) or not any(page in item for item in ranges(target.pid)):
        raise DebuggerError(f"{session.name} could not call a function of the process")
    return page


def ranges(pid: int) -> list[range]:
    """The addresses that the process has mapped."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        return [range(*(int(number, 16) for number in line.split(maxsplit=1)[0].split("-"))) for line in maps]


def add_pending_call(session: Session, target: Target, thread: int, code: int, page: int) -> None:
    functions = target.functions
    if is_old(target):
        main = session.call(thread, functions["PyInterpreterState_Main"])
        failed = session.call(thread, functions["_PyEval_AddPendingCall"], main, code + machine.RUN, page)
    else:
        failed = session.call(thread, functions["Py_AddPendingCall"], code + machine.RUN, page)
    if failed & 0xFFFFFFFF:
        raise OSError(f"process {target.pid} has too many pending calls: try again")


def start_thread(session: Session, target: Target, thread: int, code: int, page: int) -> None:
    start = target.functions["PyThread_start_new_thread"]
    if session.call(thread, start, code + machine.RUN_IN_THREAD, page) >= NO_THREAD:
        raise OSError(f"process {target.pid} could not start a thread")


def known_page(target: Target, order: bytes) -> int | None:
    """The page of the same order, or of an earlier one that has been carried out: its file is gone."""
    for mapping in mappings(target.pid):
        if mapping.path.startswith("/dev/zero") and mapping.end - mapping.start == PAGE:
            data = target.memory.read(mapping.start, PAGE)
            if data.startswith(order):
                return mapping.start
            text = data[machine.POINTERS.size :]
            try:
                path = os.fsdecode(bytes.fromhex(text.removeprefix(MAGIC).partition(b"\n")[0].decode("ascii")))
            except ValueError:
                continue
            if text.startswith(MAGIC) and not os.path.lexists(f"/proc/{target.pid}/root{path}"):
                return mapping.start
    return None
