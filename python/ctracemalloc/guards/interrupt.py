"""An exception in the main thread, from another one.

Model: CPython raises it between two bytecodes of the thread, where it could raise a KeyboardInterrupt as well: never inside an
allocator, a hook or a function in C. A thread that waits in C gets it when it is back.
"""

import ctypes
import threading

_set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)
_set_exception.restype = ctypes.c_int


def raise_in_main_thread(kind: type[Exception], text: str) -> None:
    """Raise an exception of a class, with a text."""
    identity = threading.main_thread().ident
    assert identity is not None
    # CPython takes a class and calls it without arguments.
    made = type(kind.__name__, (kind,), {"__module__": kind.__module__, "__init__": lambda self: kind.__init__(self, text)})
    _set_exception(identity, made)
