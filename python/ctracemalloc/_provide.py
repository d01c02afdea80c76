"""The functions of the package that the extension calls. The extension imports nothing of the package.

Model: the package registers `provide` when it is imported. The extension calls it with the name of a function each time it
needs that function, so a module that only files need is imported when a file is written or read.
"""

from collections.abc import Callable
from typing import cast

from . import _ctracemalloc, _later


def provide(name: str) -> Callable[..., object]:
    """Return the function or class that the extension calls by this name."""
    if name == "Loss":
        from ._losses import Loss

        return Loss
    if name == "prepare_black_box":
        from .blackbox.writing import prepare

        return prepare
    if name == "dump_stdlib":
        from .formats.stdlib_pickle import dump

        return dump
    if name in _later.PRIVATE:
        return cast("Callable[..., object]", _later.imported(__package__, name))
    from .formats import compression

    functions: dict[str, Callable[..., object]] = {"compress": compression.compress, "decompress": compression.decompress}
    return functions[name]


def register() -> None:
    """Register provide() with the extension."""
    _ctracemalloc._register(provide)
