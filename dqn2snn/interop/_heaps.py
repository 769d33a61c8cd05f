"""What libhdf5 takes on trust in a damaged file, and then never returns from."""

from __future__ import annotations

__all__ = ["check_heaps"]

_MARK = b"GCOL\x01"  # signature and version of a global heap collection
_HEADER = 16  # bytes, of a collection and of an object, with lengths of 8 bytes, as h5py writes them


def check_heaps(data: bytes) -> None:
    """Check that the global heaps of an HDF5 file, in which it keeps text, have an end.

    A heap is a row of objects, each of which says its size (HDF5 File Format Specification, III.E). libhdf5 goes from
    one to the next, and stays for ever where one says that it has none.

    Args:
        data: The file.

    Raises:
        ValueError: If a heap ends outside of the file, or an object outside of its heap or where it begins.
    """
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
