"""A check of HDF5 files before libhdf5 reads them, which never returns from some damaged ones."""

from __future__ import annotations

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LENGTHS = {0: 14, 1: 14, 2: 10, 3: 10}  # where a superblock of that version says how many bytes a length has
_MARK = b"GCOL\x01"  # signature and version of a global heap collection
_HEADER = 16  # bytes, of a collection and of an object, where lengths have 8, as h5py writes them


def check_heaps(data: bytes) -> None:
    """Check that the global heaps of an HDF5 file, in which it keeps text, have an end.

    A heap is a row of objects, each of which says its size (HDF5 File Format Specification, III.E). libhdf5 goes from
    one to the next, and stays for ever where one says that it has none.

    Args:
        data: The file.

    Raises:
        ValueError: If it is no HDF5 file with lengths of 8 bytes, if a heap ends outside of it, or an object outside of
            its heap or where it begins.
    """
    lengths = _LENGTHS.get(data[8], 0) if data.startswith(_SIGNATURE) and len(data) > 16 else 0
    if not lengths or data[lengths] != 8:
        raise ValueError("no HDF5 file with lengths of 8 bytes")
    start = data.find(_MARK)
    while start >= 0:
        _walk(data, start)
        start = data.find(_MARK, start + len(_MARK))


def _walk(data: bytes, start: int) -> None:
    end, at = start + _length(data, start + 8), start + _HEADER
    if end > len(data):
        raise ValueError(f"a heap at byte {start} that ends at {end} of {len(data)}")
    while at + _HEADER <= end:
        index, size = int.from_bytes(data[at : at + 2], "little"), _length(data, at + 8)
        # what is free is object 0, whose size counts its header; the others are filled up to multiples of 8
        following = at + (_HEADER + (size + 7) // 8 * 8 if index else size)
        if not at < following <= end:
            raise ValueError(
                f"an object at byte {at} that ends at {following}, in a heap from {start} to {end}"
            )
        at = following


def _length(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
