"""Progress bars: one kind everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

_DELAY = 2.0
"""Seconds before a bar appears: what is done sooner shows none."""


def progress_bar(
    iterable: Iterable[Any] | None = None,
    *,
    label: str,
    progress: bool = True,
    total: int | None = None,
    unit: str = "it",
    leave: bool = False,
) -> tqdm[Any]:
    """A bar that appears after two seconds on a terminal.

    Args:
        iterable: What to walk over; None for a bar that is updated by hand.
        label: What is being done, in a word.
        progress: Whether to show a bar at all; it never appears where standard error is not a terminal.
        total: Number of items, if the iterable does not say.
        unit: What an item is.
        leave: Whether it stays when all is done.

    Returns:
        tqdm: To iterate over, or to enter and update.

    Example:
        >>> sum(progress_bar([1, 2, 3], label="add"))
        6
    """
    disable = None if progress else True  # None: only where standard error is no terminal
    return tqdm(iterable, desc=label, total=total, unit=unit, leave=leave, delay=_DELAY, disable=disable)
