r"""The file of the table: a line of JSON for the protocol, and one for each cell.

A cell is in the file when its line has its line end. What a killed process left behind a last line end is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dqn2snn.benchmark.table.settings import Cell, Protocol
from dqn2snn.errors import CheckpointError

__all__ = ["FORMAT_VERSION", "Entries", "append", "begin", "read", "rewrite"]

FORMAT_VERSION = 1

Entries = dict[Cell, dict[str, Any]]
"""Lines of the file by their places."""


def read(path: Path) -> tuple[Protocol, Entries]:
    """All whole lines of a file.

    Args:
        path: The file.

    Returns:
        tuple[Protocol, Entries]: Under which conditions it was measured, and what.

    Raises:
        CheckpointError: If it is something else.
    """
    try:
        head, *lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        header = json.loads(head)
        if header["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {header['format_version']}")
        entries = [json.loads(line) for line in lines]
        return Protocol(**header["protocol"]), {Cell.of(entry): entry for entry in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path}: Expected a table of dqn2snn. Found: {error}. Choose another directory, or remove the file."
        ) from None


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
    if not path.exists() or b"\n" not in path.read_bytes():
        path.parent.mkdir(parents=True, exist_ok=True)
        rewrite(path, protocol, ())
        return {}
    found, entries = read(path)
    if found != protocol:
        raise CheckpointError(
            f"{path}: Expected a table of the same protocol, {protocol}. Found {found}. Choose another directory."
        )
    whole = path.read_bytes()
    os.truncate(path, whole.rindex(b"\n") + 1)
    return entries


def append(path: Path, entry: dict[str, Any]) -> None:
    """Add a line, and see it to the disk."""
    with path.open("ab") as file:
        file.write(_line(entry))
        file.flush()
        os.fsync(file.fileno())


def rewrite(path: Path, protocol: Protocol, entries: Iterable[dict[str, Any]]) -> None:
    """Write the whole file at once: before or after it is there, never half."""
    header = {"format_version": FORMAT_VERSION, "protocol": asdict(protocol)}
    temporary = path.with_suffix(".part")
    temporary.write_bytes(b"".join(map(_line, (header, *entries))))
    os.replace(temporary, path)


def _line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, allow_nan=False) + "\n").encode()
