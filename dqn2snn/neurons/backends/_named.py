"""Backends by name: those of the package, then those of third parties, from the entry points ``dqn2snn.backends``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Final

from dqn2snn._utils.plugins import load, plugins
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.backends._backend import Backend

GROUP: Final = "dqn2snn.backends"
"""Of the entry points of third parties."""

BACKENDS: Final[Mapping[str, EntryPoint]] = MappingProxyType(
    {
        name: EntryPoint(name, f"dqn2snn.neurons.backends.{name}:BACKEND", GROUP)
        for name in ("snntorch", "norse")
    }
)
"""Those of the package, the default one first. Each needs its library, and is imported when it is asked for."""


def backend_named(name: str) -> Backend:
    """Find a backend of the package, or of another one that announces it.

    Args:
        name: One of `backend_names()`.

    Returns:
        Backend: Imported.

    Raises:
        ArgumentError: If nobody has it, two packages have it, or the package that has it is broken.
        MissingExtraError: If its library is not installed.

    Example:
        >>> backend_named("brian")
        Traceback (most recent call last):
        ...
        dqn2snn.errors.ArgumentError: Expected a backend out of snntorch, norse. Found 'brian'. Use snntorch.
    """
    if isinstance(name, str) and name in BACKENDS:
        entries = [BACKENDS[name]]
    elif isinstance(name, str) and name in (others := plugins(GROUP)):
        entries = others[name]
    else:
        raise ArgumentError(
            f"Expected a backend out of {', '.join(backend_names())}. Found {name!r}. Use snntorch."
        )
    found: Backend = load(entries, "backend", ArgumentError, lambda found: isinstance(found, Backend))
    return found


def backend_names() -> tuple[str, ...]:
    """Names of all backends that are announced, whether or not their libraries are installed."""
    return tuple(dict.fromkeys((*BACKENDS, *plugins(GROUP))))
