"""Results that survive: a file with a line of JSON for its conditions, and one for each result.

A result is there when its line has its line end. What a killed process left behind the last line end is cut off. The
file has one writer at a time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dqn2snn.errors import CheckpointError

Entry = dict[str, Any]


def read(path: Path, what: str) -> tuple[Entry, list[Entry]]:
    """All whole lines of a file."""
    try:
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        if not found or not all(isinstance(line, dict) for line in found):
            raise ValueError("not a JSON object in every line")
    except (OSError, ValueError, RecursionError) as error:
        raise refusal(path, what, error) from None
    return found[0], found[1:]


def refusal(path: Path, what: str, found: object) -> CheckpointError:
    """The error for a file that is something else."""
    return CheckpointError(
        f"{path}: Expected {what}. Found: {found}. Choose another directory, or remove the file."
    )


def begin(path: Path, header: Mapping[str, Any], what: str) -> list[Entry]:
    """Make the file, or make one that is there ready to be gone on with."""
    whole = path.read_bytes() if path.exists() else b""
    if b"\n" not in whole:
        _make_directory(path.parent)
        rewrite(path, header, ())
        return []
    found, entries = read(path, what)
    if found != header:
        raise CheckpointError(
            f"{path}: Expected {what} of the same conditions, {json.dumps(header)}. Found {json.dumps(found)}. "
            "Choose another directory."
        )
    os.truncate(path, whole.rindex(b"\n") + 1)
    return entries


def append(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Add lines, and see them to the disk."""
    with path.open("ab") as file:
        file.write(b"".join(map(_line, entries)))
        file.flush()
        os.fsync(file.fileno())


def rewrite(path: Path, header: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the whole file at once: before or after it is there, never half."""
    temporary = path.with_suffix(".part")
    temporary.write_bytes(b"".join(map(_line, (header, *entries))))
    os.replace(temporary, path)


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Keep others from writing a file, for as long as the block or the process lasts.

    The lock is the operating system's, on a file beside it, and so cannot be left behind. Where there is no `fcntl`,
    as on Windows, nobody is kept away.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    _make_directory(path.parent)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"{path}: Expected to be alone. Found another run that writes this file. Wait for it, or choose "
                "another directory."
            ) from None
        yield


def _line(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, allow_nan=False) + "\n").encode()


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CheckpointError(
            f"Expected a directory to write to. Found that {str(path)!r} is a file, or below one. Choose another."
        ) from None
