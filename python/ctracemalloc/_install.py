"""Standing in for the standard module: `import tracemalloc` gives this package.

Model: `sys.modules` decides what an import statement gives. install() remembers what the two
names `tracemalloc` and `_tracemalloc` stood for and binds them to the package; uninstall() puts
that back. C code that asks the interpreter for a block's traceback gets ours meanwhile. Nothing else is
touched: modules that imported tracemalloc earlier keep what they have, and whether the standard module
traces is left as it is.

`warnings` imports tracemalloc anew for each message it formats, so "Object allocated at" follows.
"""

import sys
from types import ModuleType

from . import _ctracemalloc

NAMES = ("tracemalloc", "_tracemalloc")

# What each name stood for before install(); None: it was not imported. Empty: not installed.
# Guarded by the GIL: both functions change it in one step.
_before: dict[str, ModuleType | None] = {}


def install() -> None:
    """Make `import tracemalloc` and `import _tracemalloc` give ctracemalloc from now on.

    Installing twice is the same as once.
    """
    package = sys.modules[__package__]
    if not _before:
        _before.update({name: sys.modules.get(name) for name in NAMES})
    for name in NAMES:
        sys.modules[name] = package
    _ctracemalloc._stand_in(True)


def uninstall() -> None:
    """Undo install(): both names give again what they gave before it.

    Does nothing if install() was not called. A name that somebody else has bound to another
    module since then is left to them.
    """
    package = sys.modules[__package__]
    for name, module in _before.items():
        if sys.modules.get(name) is not package:
            continue
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module
    _before.clear()
    _ctracemalloc._stand_in(False)
