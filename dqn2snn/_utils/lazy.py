"""Modules of a package that are loaded when they are used, since each needs a library of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType


def lazy_modules(package: str, *names: str) -> Callable[[str], ModuleType]:
    """Make the `__getattr__` of a package that has such modules.

    Args:
        package: The package's `__name__`.
        *names: Its modules.

    Returns:
        Callable[[str], ModuleType]: Imports a module by its name; AttributeError for other names.
    """

    def load(name: str) -> ModuleType:
        if name in names:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
