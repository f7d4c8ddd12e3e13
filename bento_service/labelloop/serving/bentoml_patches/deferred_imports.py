"""Modules that are executed when one of their names is used, not when they are imported.

BentoML imports all it can do (building images, its cloud, its supervisor, clients) before it serves, which is two
thirds of a start. As in PEP 810 an import of a listed module costs nothing until then; nothing is replaced or left out.
"""

# ruff: noqa: ANN401  (what is deferred may be any object)

import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any

# One for all: a module on the list may use names of another one.
_loading = RLock()


class DeferredName:
    """A name of a module that was not executed yet; using it executes the module and acts on the real object.

    Not for exceptions: `except` takes real classes only.
    """

    __slots__ = ("_module", "_name")

    def __init__(self, module: "DeferredModule", name: str) -> None:
        self._module = module
        self._name = name

    def __getattr__(self, name: str) -> Any:
        # `typing` and `inspect` ask everything for special attributes: that is no use.
        if name.startswith("__") and not self._module.is_loaded:
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the real one."""
        return self._real()(*arguments, **options)

    def __getitem__(self, key: Any) -> Any:
        return self._real()[key]

    def __bool__(self) -> bool:
        return bool(self._real())

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self._real() == other)

    def __hash__(self) -> int:
        return hash((self._module.__name__, self._name))

    def __or__(self, other: Any) -> Any:
        return self._real() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._real()

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: object) -> bool:
        # What has not been executed has no instances yet.
        return self._module.is_loaded and isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self._module.is_loaded and issubclass(subclass, self._real())

    def _real(self) -> Any:
        self._module.load()
        return getattr(self._module, self._name)


class DeferredModule(ModuleType):
    """Is in `sys.modules`, and is the real module from its first use on."""

    is_loaded = False

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # `from module import *`
            self.load()
            return self.__dict__.get(name, [public for public in self.__dict__ if not public.startswith("_")])
        if name.startswith("__") or self.is_loaded:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return DeferredName(self, name)

    def load(self) -> None:
        """Execute the module unless that has happened; what it raises is raised here, and again at the next use."""
        with _loading:
            if self.is_loaded or self.__dict__.get("__loading__"):
                return
            spec = self.__spec__
            if spec is None or not isinstance(spec.loader, _DeferringLoader):
                raise ImportError(f"{self.__name__} was not deferred by labelloop", name=self.__name__)
            self.__dict__["__loading__"] = True
            try:
                spec.loader.real.exec_module(self)
                self.__dict__["is_loaded"] = True
            finally:
                del self.__dict__["__loading__"]


class _DeferringLoader(Loader):
    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Later."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)  # `get_source` and the like, for tracebacks and resources


class _DeferringFinder(MetaPathFinder):
    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferringLoader(spec.loader)
        return spec


def defer(names: Iterable[str]) -> None:
    """Defer the execution of these modules (full dotted names) in this process, from now on."""
    sys.meta_path.insert(0, _DeferringFinder(names))
