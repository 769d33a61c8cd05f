"""The file of the table: cells as lines of JSON under one set of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from dqn2snn.benchmark import _store as store
from dqn2snn.benchmark._store import Entry
from measuring.table.settings import Cell, Conditions

__all__ = ["FORMAT_VERSION", "Entries", "begin", "by_cell", "header_of", "read"]

FORMAT_VERSION = 1

Entries = dict[Cell, Entry]
"""Lines of the file by their places."""

_WHAT = "a table of dqn2snn"


def read(path: Path) -> tuple[Conditions, Entries]:
    """All whole lines of a file.

    Args:
        path: The file.

    Returns:
        tuple[Conditions, Entries]: Under which conditions it was measured, and what.

    Raises:
        CheckpointError: If it is something else.
    """
    header, entries = store.read(path, _WHAT)
    try:
        if header["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {header['format_version']}")
        return Conditions(**header["protocol"]), by_cell(entries)
    except (ValueError, KeyError, TypeError) as error:
        raise store.refusal(path, _WHAT, error) from None


def begin(path: Path, conditions: Conditions) -> Entries:
    """Make the file, or make one that is there ready to be gone on with.

    Args:
        path: The file.
        conditions: The same for all that is in one file.

    Returns:
        Entries: What was measured already.

    Raises:
        CheckpointError: If the file is something else, or was measured under other conditions.
    """
    entries = store.begin(path, header_of(conditions), _WHAT)
    try:
        return by_cell(entries)
    except KeyError as error:
        raise store.refusal(path, _WHAT, error) from None


def header_of(conditions: Conditions) -> Entry:
    """The first line of the file."""
    return {"format_version": FORMAT_VERSION, "protocol": asdict(conditions)}


def by_cell(entries: Iterable[Entry]) -> Entries:
    """Lines of the file by their places."""
    return {Cell.of(entry): entry for entry in entries}
