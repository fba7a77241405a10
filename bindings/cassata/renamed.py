"""This package under the name of the library that a program was written for."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import types
from typing import TYPE_CHECKING

import cassata

if TYPE_CHECKING:
    from collections.abc import Iterator

KANNOLO_VERSION = "0.15.1"  # of the interface that the classes have


def install_as(name: str = "kannolo") -> None:
    """Makes `import name`, `from name import ...` and look-ups of its version find this package, in this process.

    `name.__version__` and `importlib.metadata.version(name)` are "0.15.1", the version of kANNolo whose interface the
    classes have. A library that is installed under that name is hidden. A process started by `spawn` must call it
    again.

    Args:
        name: What the program imports: one word.

    Raises:
        ValueError: `name` is not a module name, or it is "cassata".
        ImportError: Another module of that name has been imported.

    Example:
        >>> cassata.install_as("kannolo")
        >>> from kannolo import DensePlainHNSW
    """
    if not isinstance(name, str) or not name.isidentifier() or name == cassata.__name__:
        raise ValueError(
            f"name: {name!r:.60} given, expected the name of a module that a program imports, such as 'kannolo'"
        )
    if isinstance(sys.modules.get(name), _Renamed):
        return
    if name in sys.modules:
        raise ImportError(f"name: {name!r} was imported already; expected a call before its first import")
    module = _Renamed(name)
    sys.modules[name] = module
    sys.modules[f"{name}.{name}"] = module  # kANNolo's compiled part is its submodule of the same name
    setattr(module, name, module)
    sys.meta_path.insert(0, _Metadata(name))


class _Renamed(types.ModuleType):
    """The public names of this package in a module without files, so that nothing is imported twice."""

    def __init__(self, name: str) -> None:
        super().__init__(name, cassata.__doc__)
        self.__path__: list[str] = []
        for public in cassata.__all__:
            setattr(self, public, getattr(cassata, public))
        self.__all__ = list(cassata.__all__)
        self.__version__ = KANNOLO_VERSION


class _Metadata:
    """An entry of sys.meta_path that answers look-ups of the version, and finds no modules."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """None: other entries find modules."""

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context
    ) -> Iterator[importlib.metadata.Distribution]:
        if context.name is not None and re.sub(r"[-_.]+", "_", context.name).lower() == self._name.lower():
            yield _Distribution(self._name)


class _Distribution(importlib.metadata.Distribution):
    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        metadata = (
            f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {KANNOLO_VERSION}\nSummary: Cassata under this name\n"
        )
        return metadata if filename in ("METADATA", "PKG-INFO") else None

    def locate_file(self, path: str | os.PathLike[str]) -> os.PathLike[str]:  # type: ignore[override]  # versions of Python differ
        raise FileNotFoundError(f"{path}: the distribution {self._name!r} has no files")
