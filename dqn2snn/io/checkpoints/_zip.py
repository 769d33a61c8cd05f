"""Members of a zip, none of which is trusted: names, sizes and checksums are checked before anything uses them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO

from dqn2snn.errors import CheckpointError

MOST_BYTES = 2**30
"""Size of an unpacked file: a Nature network with its optimizer takes 27 million."""

MOST_RATIO = 50
"""Ratio of the unpacked to the packed size. Weights hardly shrink at all, and JSON tenfold."""

_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
"""Errors that `zipfile` raises for damaged, encrypted and exotic archives."""


def member_names(file: BinaryIO) -> list[str]:
    """List the members of a zip.

    Args:
        file: The archive.

    Returns:
        Their names, in the order of the archive.

    Raises:
        CheckpointError: If the archive is damaged, holds a name twice or one that leads out of it.
    """
    with _opened(file) as archive:
        return archive.namelist()


def read_members(file: BinaryIO, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Read members of a zip, verifying their CRC.

    Args:
        file: The archive.
        wanted: Tells by its name whether a member is read.

    Returns:
        Contents by name, in the order of the archive.

    Raises:
        CheckpointError: If the archive is damaged, holds a name twice or one that leads out of it, or unpacks to
            suspiciously much.

    Example:
        >>> import io
        >>> archive = io.BytesIO()
        >>> with zipfile.ZipFile(archive, "w") as writer:
        ...     writer.writestr("data", "{}")
        >>> read_members(archive, lambda name: True)
        {'data': b'{}'}
    """
    with _opened(file) as archive:
        chosen = [member for member in archive.infolist() if wanted(member.filename)]
        for member in chosen:
            _check_size(member)
        if sum(member.file_size for member in chosen) > MOST_BYTES:
            raise CheckpointError(_too_large("its members"))
        return {member.filename: archive.read(member) for member in chosen}


@contextmanager
def _opened(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            _check_names(archive.namelist())
            _check_begins(archive)
            yield archive
    except _BROKEN as error:
        raise CheckpointError(
            f"Expected a whole zip archive. Found a damaged one ({error}). Copy or save it again."
        ) from None


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CheckpointError(
            f"Expected each name once in the archive. Found {twice!r} twice. Save the checkpoint again."
        )
    for name in names:
        if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
            raise CheckpointError(
                f"Expected names inside the archive. Found {name!r}, which leads out of it. Do not trust this file."
            )


def _check_begins(archive: zipfile.ZipFile) -> None:
    """Refuse an archive behind something else: what is left, for one, of a truncated archive of archives."""
    if min((member.header_offset for member in archive.infolist()), default=0) > 0:
        raise CheckpointError(
            "Expected an archive from the first byte on. Found one behind other bytes: the end of a file is missing, "
            "or there are two files in one. Copy or save it again."
        )


def _check_size(member: zipfile.ZipInfo) -> None:
    if member.file_size > MOST_BYTES or member.file_size > MOST_RATIO * max(member.compress_size, 1):
        raise CheckpointError(_too_large(repr(member.filename)))


def _too_large(what: str) -> str:
    return (
        f"Expected at most {MOST_BYTES:,} bytes, and {MOST_RATIO} times the packed size. Found more in {what}. "
        "Do not trust this file."
    )
