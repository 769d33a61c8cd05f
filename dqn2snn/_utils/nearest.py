"""Names that nobody knows, refused with the nearest one that somebody does."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dqn2snn.errors import ArgumentError


def unknown_name(what: str, name: object, known: Iterable[str]) -> ArgumentError:
    """The error that names what is known, and what was probably meant.

    Args:
        what: What was named, with its article: "a recipe".
        name: The unknown name.
        known: All names that there are, one or more.

    Returns:
        ArgumentError: To be raised, in one line.

    Example:
        >>> print(unknown_name("a recipe", "brust", ("rate", "burst")))
        Expected a recipe out of rate, burst. Found 'brust'. Did you mean 'burst'?
    """
    names = list(known)
    (near,) = difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)
    return ArgumentError(f"Expected {what} out of {', '.join(names)}. Found {name!r}. Did you mean {near!r}?")
