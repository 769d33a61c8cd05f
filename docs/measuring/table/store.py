"""The file of the table: cells as lines of JSON under one protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dqn2snn.benchmark import lines
from measuring.table.settings import Cell, Protocol

__all__ = ["FORMAT_VERSION", "Entries", "append", "begin", "read", "rewrite"]

FORMAT_VERSION = 1

Entries = dict[Cell, dict[str, Any]]
"""Lines of the file by their places."""

_WHAT = "a table of dqn2snn"


def read(path: Path) -> tuple[Protocol, Entries]:
    """All whole lines of a file.

    Args:
        path: The file.

    Returns:
        tuple[Protocol, Entries]: Under which conditions it was measured, and what.

    Raises:
        CheckpointError: If it is something else.
    """
    header, entries = lines.read(path, _WHAT)
    try:
        if header["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {header['format_version']}")
        return Protocol(**header["protocol"]), _by_cell(entries)
    except (ValueError, KeyError, TypeError) as error:
        raise lines.refusal(path, _WHAT, error) from None


def begin(path: Path, protocol: Protocol) -> Entries:
    """Make the file, or make one that is there ready to be gone on with.

    Args:
        path: The file.
        protocol: The conditions.

    Returns:
        Entries: What was measured already.

    Raises:
        CheckpointError: If the file is something else, or was measured under other conditions.
    """
    entries = lines.begin(path, _header(protocol), _WHAT)
    try:
        return _by_cell(entries)
    except KeyError as error:
        raise lines.refusal(path, _WHAT, error) from None


def append(path: Path, entry: dict[str, Any]) -> None:
    """Add a line, and see it to the disk."""
    lines.append(path, [entry])


def rewrite(path: Path, protocol: Protocol, entries: Iterable[dict[str, Any]]) -> None:
    """Write the whole file at once: before or after it is there, never half."""
    lines.rewrite(path, _header(protocol), entries)


def _header(protocol: Protocol) -> Mapping[str, Any]:
    return {"format_version": FORMAT_VERSION, "protocol": asdict(protocol)}


def _by_cell(entries: Iterable[dict[str, Any]]) -> Entries:
    return {Cell.of(entry): entry for entry in entries}
