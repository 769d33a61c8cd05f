"""Files of ``torch.save``: read by ``torch.load(weights_only=True)``, after a look at what they would have it do.

Such a file is a zip of one pickle and the bytes of each tensor. The pickle is scanned, not run: it may only name the
functions that put tensors together. The archive that torch then reads is made anew of the checked members, so that
torch and this module cannot see two different files in one.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from typing import Any, BinaryIO

import torch
from torch import Tensor

from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints._zip import read_members

_PROTOCOL = 2
"""The one that ``torch.load(weights_only=True)`` is made for."""

_STORAGES = ["Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"]
_ALLOWED = {
    "collections OrderedDict",
    "torch Size",
    "torch device",
    "torch.storage UntypedStorage",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in _STORAGES),
}
_FAILURES = (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, TypeError, LookupError)
_MORE_FAILURES = (AttributeError, AssertionError, MemoryError, OverflowError, RecursionError, ImportError)
"""Errors that ``torch.load`` raises for a pickle that makes no sense."""


def read_torch_file(file: BinaryIO) -> Any:
    """Read what ``torch.save`` wrote, unless that is more than tensors and plain data.

    Args:
        file: Such a file.

    Returns:
        The saved object, its tensors on the CPU; see `checked_tensors` before using them.

    Raises:
        CheckpointError: If it is damaged, or holds anything else. Nothing of it is run.

    Example:
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2)}, file)
        >>> read_torch_file(file)
        {'weight': tensor([1., 1.])}
        >>> file = io.BytesIO()
        >>> torch.save(torch.nn.Linear(1, 1), file)
        >>> read_torch_file(file)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        dqn2snn.errors.CheckpointError: Expected tensors and plain data. Found a pickle that names torch.nn...
    """
    members = read_members(file, _is_needed)
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError(
            f"Expected an archive of torch.save, with one data.pkl. Found {len(pickles)} of it. "
            "Save the network's state_dict() with torch.save."
        )
    _check_pickle(members[pickles[0]])
    root = pickles[0].removesuffix("data.pkl")
    sizes = {len(content) for name, content in members.items() if name.startswith(f"{root}data/")}
    try:
        loaded = torch.load(_rewritten(members, root), map_location="cpu", weights_only=True)
    except (*_FAILURES, *_MORE_FAILURES) as error:
        raise CheckpointError(
            f"Expected a whole file of torch.save. Found one that torch refuses ({_first_line(error)}). "
            "Save it again."
        ) from None
    _check_storages(loaded, sizes)
    return loaded


def _is_needed(name: str) -> bool:
    # No metadata: what a file says of itself beyond this is of no use here.
    inner = name.partition("/")[2]
    return inner in ("data.pkl", "version", "byteorder") or inner.startswith("data/")


def _rewritten(members: dict[str, bytes], root: str) -> io.BytesIO:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, content in members.items():
            if name.startswith(root):
                writer.writestr(f"archive/{name.removeprefix(root)}", content)
    archive.seek(0)
    return archive


def _check_pickle(content: bytes) -> None:
    for name in _names_of(content):
        if name not in _ALLOWED:
            raise CheckpointError(
                f"Expected tensors and plain data. Found a pickle that names {name.replace(' ', '.')}, which was not "
                "run. If the file is yours, save the network's state_dict() instead; if it is not, do not trust it."
            )


def _names_of(content: bytes) -> list[str]:
    """The functions and classes that a pickle names."""
    try:
        opcodes = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(content)]
    except (ValueError, LookupError, EOFError, OverflowError, RecursionError, MemoryError) as error:
        raise CheckpointError(
            f"Expected a whole file of torch.save. Found a damaged one ({_first_line(error)}). Save it again."
        ) from None
    if any(name == "PROTO" and argument != _PROTOCOL for name, argument in opcodes):
        raise CheckpointError(
            f"Expected pickle protocol {_PROTOCOL}, as torch.save writes it. Found another. Save it again without "
            "pickle_protocol=..."
        )
    named = [str(argument) for name, argument in opcodes if name in ("GLOBAL", "INST")]
    hidden = [name for name, _ in opcodes if name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "OBJ")]
    return named + hidden


def _check_storages(value: Any, sizes: set[int]) -> None:
    """Refuse tensors over memory that is none of the file's, should a version of torch have let them pass."""
    for tensor in value.values() if isinstance(value, dict) else ():
        if not isinstance(tensor, Tensor) or tensor.device.type != "cpu" or tensor.layout != torch.strided:
            continue
        if (found := tensor.untyped_storage().nbytes()) and found not in sizes:
            raise CheckpointError(
                f"Expected tensors of the sizes {sorted(sizes)}. Found {found} bytes. Do not trust this file."
            )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].partition(". ")[0]
