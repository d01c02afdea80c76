"""What the extension calls of the package, which it never imports.

Model: the package registers `provide` when it is imported. The extension asks it for a function by name each time it needs one,
so the modules that only files need are imported when a file is written or read.
"""

from collections.abc import Callable

from . import _ctracemalloc


def provide(name: str) -> Callable[..., object]:
    """The function or class that the extension knows by this name."""
    if name == "Loss":
        from ._losses import Loss

        return Loss
    if name == "prepare_black_box":
        from .blackbox.writing import prepare

        return prepare
    if name == "dump_stdlib":
        from .formats.stdlib_pickle import dump

        return dump
    from .formats import compression

    functions: dict[str, Callable[..., object]] = {"compress": compression.compress, "decompress": compression.decompress}
    return functions[name]


def register() -> None:
    """Make the extension ask here."""
    _ctracemalloc._register(provide)
