"""Imports of this component, so that what they allocate can be told from the program's own memory.

Model: what this component allocates is found by frames of its files in the traceback (snapshots.py). The import system has six
frames of its own for each import within another one, so of a module of the standard library the frame of this component would
be cut off. In a block of own_imports(), whatever its thread imports is loaded by this file: a frame of it is next to those of
the module's body, and two from the reading of its code. Nothing else is different: the module is found by the finders of the
program, and has the loader that they have given it.
"""

from __future__ import annotations  # the modules of the types are to be imported below, if at all

import sys
from _frozen_importlib import BuiltinImporter
from _frozen_importlib_external import ExtensionFileLoader, SourceFileLoader  # importlib.machinery imports more
from _thread import _local  # threading.local, without threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType
    from typing import Any


class Loader:
    """In the place of another loader. (What a loader is differs from typeshed to typeshed.)"""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> Any:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        spec.loader = module.__loader__ = self.inner
        if not isinstance(self.inner, SourceFileLoader):
            self.inner.exec_module(module)
            return
        code = self.inner.get_code(spec.name)
        assert code is not None, "a source file has code"
        exec(code, vars(module))


class Finder(_local):
    """First on the meta path, and active for a thread only while it is in a block of own_imports(): what others find is loaded
    here if it is a file of source, an extension or a built-in module. It stays there, because another thread that is looking
    for a module may miss one of the finders when one in front of it is removed.
    """

    is_active = False

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not self.is_active:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                loader: Any = spec.loader
                if type(loader) in (SourceFileLoader, ExtensionFileLoader) or loader is BuiltinImporter:
                    loader = Loader(loader)
                    spec.loader = loader
                return spec
        return None


_finder = Finder()


class own_imports:
    """A block of imports of this component, for this thread. Inside another one it has no effect."""

    def __enter__(self) -> None:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        self.before, _finder.is_active = _finder.is_active, True

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        _finder.is_active = self.before
