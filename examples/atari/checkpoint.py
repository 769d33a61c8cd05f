"""Files that are whole at any moment, and refused when damaged. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from dqn2snn.errors import CheckpointError

__all__ = ["check", "read_tensors", "replace", "within", "write_tensors"]

FORMAT_VERSION = 1


def replace(path: Path, data: bytes) -> None:
    """Write a file beside the old one, then put it in its place.

    Args:
        path: Where to write. Whatever happens meanwhile, the old file or the new one is there.
        data: What to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # a rename may reach the disk before what was written
    os.replace(partial, path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors, and plain data in the header of the same file, so that the two cannot come apart.

    Args:
        path: A safetensors file.
        tensors: By name.
        state: What JSON can hold.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "training.safetensors"
        ...     write_tensors(path, {"x": torch.ones(2)}, {"step": 3})
        ...     read_tensors(path)
        ({'x': tensor([1., 1.])}, {'step': 3})
    """
    kept = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"format_version": FORMAT_VERSION, "state": state}, allow_nan=False)
    replace(path, safetensors.torch.save(kept, {"state": text, "sha256": _digest(kept, text)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Args:
        path: A safetensors file.

    Returns:
        The tensors and the state.

    Raises:
        CheckpointError: If the file cannot be read, or is truncated, damaged or of another version.
    """
    try:
        # Read once: safe_open opens the file twice, and a training may have put a newer one in its place meanwhile.
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
        header = _metadata(content)
        found = json.loads(header["state"])
        if header["sha256"] != _digest(tensors, header["state"]):
            raise ValueError("its checksum is another")
        if found["format_version"] != FORMAT_VERSION:
            raise ValueError(f"version {found['format_version']}")
        return tensors, dict(found["state"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path}: Expected a whole checkpoint of version {FORMAT_VERSION}. Found another file or a damaged one "
            f"({error}). Go on from another checkpoint, or begin in another directory."
        ) from None


def _metadata(content: bytes) -> dict[str, str]:
    """What stands beside the tensors. The first eight bytes of a safetensors file are the length of its header."""
    length = int.from_bytes(content[:8], "little")
    found: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def check(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the expected tensors, in the number and memory format of those expected.

    Args:
        tensors: What a file holds.
        expected: Tensors of the right names and shapes.

    Returns:
        The tensors of the expected names; others are left out.

    Raises:
        CheckpointError: If one is missing, is of another shape or no float, or holds NaN or infinity.

    Example:
        >>> check({"x": torch.ones(2).half(), "y": torch.ones(3)}, {"x": torch.zeros(2)})
        {'x': tensor([1., 1.])}
    """
    taken = {}
    for name, like in expected.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.shape != like.shape or not tensor.is_floating_point():
            found = "none" if tensor is None else f"{tensor.dtype} of shape {list(tensor.shape)}"
            raise CheckpointError(
                f"Expected a tensor {name!r} of floats of shape {list(like.shape)}. Found {found}. "
                "Was it written for another body or another game?"
            )
        if not tensor.isfinite().all():
            raise CheckpointError(f"Expected finite numbers. Found NaN or infinity in {name!r}.")
        taken[name] = torch.empty_like(like, requires_grad=False).copy_(tensor)
    return taken


def within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the tensors whose name begins with the prefix, and drop it.

    Args:
        prefix: For example ``"network."``.
        tensors: By name.

    Returns:
        Those tensors by the rest of their names.

    Example:
        >>> within("a.", {"a.x": torch.tensor(1), "b.x": torch.tensor(2)})
        {'x': tensor(1)}
    """
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
