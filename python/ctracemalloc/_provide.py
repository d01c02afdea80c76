"""What the extension calls of the package, which it never imports.

Model: the package registers `provide` when it is imported. The extension asks it for a function by name each time it needs one,
so what only files need is imported by whoever writes or reads one.
"""

from collections.abc import Callable

from . import _ctracemalloc


def provide(name: str) -> Callable[..., object]:
    """The function or class that the extension knows by this name."""
    if name == "Loss":
        from ._losses import Loss

        return Loss
    if name == "prepare_black_box":
        from ._black_box import prepare

        return prepare
    if name == "dump_stdlib":
        from ._stdlib_pickle import dump

        return dump
    from . import _compression

    return _compression.compress if name == "compress" else _compression.decompress


def register() -> None:
    """Make the extension ask here."""
    _ctracemalloc._register(provide)
