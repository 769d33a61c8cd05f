"""Whether the compiled part of the event engine is there, and why not.

It is compiled when the package is installed. Where that cannot be, nothing is missing but speed: the "torch" engine
gives the same answers.
"""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from dqn2snn import __version__
from dqn2snn.errors import ArgumentError

NAME = "dqn2snn.engine._event"
REMEDY = "install GCC or Clang and the headers of Python, then dqn2snn again from its source"


@dataclass(frozen=True)
class Extension:
    """The compiled extension, or why it could not be loaded.

    Attributes:
        module: The extension; None if it cannot be used.
        why_not: The reason, as a clause; None if it can be used.
        instruction_set: The one that it chose for this processor; None if it cannot be used.
    """

    module: ModuleType | None = None
    why_not: str | None = None
    instruction_set: str | None = None


def load_extension(name: str) -> Extension:
    """Import an event engine.

    Args:
        name: Dotted module name.

    Returns:
        Extension: The module or the reason.

    Raises:
        ArgumentError: If the environment variable `DQN2SNN_ISA` names no instruction set of this processor.

    Example:
        >>> load_extension("dqn2snn.engine._no_such_module").why_not.partition(";")[0]
        'the event engine was not compiled'
    """
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return Extension(why_not=f"the event engine was not compiled; {REMEDY}")
        return Extension(why_not=f"the event engine does not load ({error}); {REMEDY}")
    found = getattr(module, "version", None)
    if found != __version__:
        return Extension(
            why_not=f"the event engine was compiled for dqn2snn {found}, not {__version__}; {REMEDY}"
        )
    try:
        return Extension(module, instruction_set=module.instruction_set())
    except ValueError as error:
        raise ArgumentError(str(error)) from None


@cache
def _extension() -> Extension:
    return load_extension(NAME)


def event_engine() -> ModuleType | None:
    """The compiled extension, for those who are about to use it; where it cannot be used, a first call warns.

    Returns:
        ModuleType | None: `dqn2snn.engine._event`, or None.
    """
    if _extension().module is None:
        _warn()
    return _extension().module


@cache
def _warn() -> None:
    warnings.warn(
        f"dqn2snn simulates with torch, which is slower: {why_not()}.", RuntimeWarning, stacklevel=3
    )


def why_not() -> str | None:
    """Why the compiled extension cannot be used, as a clause; None where it can.

    Returns:
        str | None: With what to do about it.
    """
    return _extension().why_not


def instruction_set() -> str | None:
    """The instruction set that the event engine uses here.

    Returns:
        str | None: "avx512", "avx2" or "portable", which takes what every processor of the architecture has; None
        where there is no event engine.
    """
    return _extension().instruction_set
