"""Files that a command writes: refused before any work, and there when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dqn2snn.errors import ArgumentError

__all__ = ["check_directory", "replacing"]


def check_directory(path: Path) -> None:
    """Refuse a file that could not be written.

    Args:
        path: The file.

    Raises:
        ArgumentError: If its directory does not exist, or it is a directory itself.
    """
    if not path.parent.is_dir():
        raise ArgumentError(
            f"Expected a file in a directory that exists. Found {str(path)!r}. Make {path.parent}."
        )
    if path.is_dir():
        raise ArgumentError(
            f"Expected a file to write. Found the directory {str(path)!r}. Name a file in it."
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give another path to write to, which takes the place of the file when the block ends well.

    Args:
        path: The file.

    Yields:
        Path: In the same directory, with the same suffix.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
