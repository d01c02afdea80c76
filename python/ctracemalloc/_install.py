"""Replacing the standard module: `import tracemalloc` imports this package.

Model: `sys.modules` decides what an import statement returns. install() saves what the two names `tracemalloc` and
`_tracemalloc` are bound to and binds them to the package; uninstall() restores that. Meanwhile C code that asks the
interpreter for a block's traceback gets this package's. Nothing else changes: modules that imported tracemalloc earlier
still have the standard module, and that module continues to trace if it does.

`warnings` imports tracemalloc again for each message that it formats, so "Object allocated at" comes from this package.
"""

import sys
from types import ModuleType

from . import _ctracemalloc

NAMES = ("tracemalloc", "_tracemalloc")

# What each name was bound to before install(); None: it was not imported. Empty: not installed.
# Lock: the GIL; both functions change it in one step.
_before: dict[str, ModuleType | None] = {}


def install() -> None:
    """Make `import tracemalloc` and `import _tracemalloc` return ctracemalloc from now on.

    Installing twice is the same as once.
    """
    package = sys.modules[__package__]
    if not _before:
        _before.update({name: sys.modules.get(name) for name in NAMES})
    for name in NAMES:
        sys.modules[name] = package
    _ctracemalloc._stand_in(True)


def uninstall() -> None:
    """Undo install(): both names are bound again to what they were bound to before.

    Does nothing if install() was not called. A name that other code has bound to another module since then is left
    unchanged.
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
