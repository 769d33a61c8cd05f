"""The public names of the package: those in `__all__` of modules whose dotted path has no underscore part."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import dqn2snn


@cache
def public_names() -> dict[str, Any]:
    """Every public name, each object once, under the shortest path that leads to it."""
    found: dict[int, tuple[str, Any]] = {}
    for module in sorted(_modules(), key=lambda name: (name.count("."), name)):
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            found.setdefault(id(value), (f"{module}.{name}", value))
    return dict(found.values())


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, and every public method of a public class, with its name."""
    for name, value in public_names().items():
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value) and value.__module__.startswith("dqn2snn"):
            for attribute, method in vars(value).items():
                plain = method.__func__ if isinstance(method, (staticmethod, classmethod)) else method
                if inspect.isfunction(plain) and (attribute == "__init__" or not attribute.startswith("_")):
                    yield f"{name}.{attribute}", plain


def _modules() -> Iterator[str]:
    yield "dqn2snn"
    for module in pkgutil.walk_packages(dqn2snn.__path__, "dqn2snn."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            yield module.name


def public_name_count() -> int:
    """How many distinct names stand in `__all__` of public modules."""
    return len(
        {name for module in _modules() for name in getattr(importlib.import_module(module), "__all__", ())}
    )
