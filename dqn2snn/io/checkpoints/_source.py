"""A checkpoint file, opened: its tensors and its plain data, both checked, whatever the container."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints._tensors import checked_tensors
from dqn2snn.io.checkpoints._torch_file import read_torch_file
from dqn2snn.io.checkpoints._zip import MOST_BYTES, member_names, read_members

_NESTED = ("model_weights", "model", "state_dict", "model_state_dict", "q_network", "policy")
"""Under which of these names training scripts keep the state dict beside other things; the first that is there."""

_SB3 = ("data", "policy.pth", "_stable_baselines3_version")


@dataclass(frozen=True)
class Source:
    """The content of a file, before a reader says what it means.

    Attributes:
        path: The file.
        sha256: Its checksum.
        container: ``"sb3"`` for a zip of Stable-Baselines3 and its kin, ``"torch"`` for one of ``torch.save``,
            ``"safetensors"``; ``"other"`` for what is none of them, which readers of third parties may know.
        tensors: By name, in the order of the file: finite, on the CPU.
        data: Plain data beside the tensors.
    """

    path: Path
    sha256: str
    container: str
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Give the tensors whose names begin so.

        Args:
            prefix: A beginning.

        Returns:
            Tensors by the rest of their names.

        Example:
            >>> import torch
            >>> tensors = {"net.0.bias": torch.ones(1), "old.0.bias": torch.ones(1)}
            >>> Source(Path("dqn.pt"), "", "torch", tensors).under("net.")
            {'0.bias': tensor([1.])}
        """
        begins = {name: tensor for name, tensor in self.tensors.items() if name.startswith(prefix)}
        return {name.removeprefix(prefix): tensor for name, tensor in begins.items()}


def open_source(path: Path) -> Source:
    """Open a file. Nothing in it is run.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        CheckpointError: If it cannot be read, or is damaged, malicious or too large.
    """
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise CheckpointError(
                f"Expected at most {MOST_BYTES:,} bytes. Found {size:,}. Keep the network alone, without its memory."
            )
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"Expected a readable file. Found none ({error}). Check the path.") from None
    container, tensors, data = _opened(content)
    return Source(path, hashlib.sha256(content).hexdigest(), container, checked_tensors(tensors), data)


def _opened(content: bytes) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    if content.startswith(b"PK"):
        names = member_names(io.BytesIO(content))
        if "policy.pth" in names:
            return _opened_sb3(read_members(io.BytesIO(content), lambda name: name in _SB3))
        if any(name.endswith("/data.pkl") for name in names):
            return "torch", *_opened_torch(content)
    if content.startswith(b"\x80"):
        raise CheckpointError(
            "Expected a zip of torch.save. Found a bare pickle, as torch before 1.6 and other libraries write it, "
            "which was not run. Load it where it was made, and save the state_dict() again."
        )
    if content[8:9] == b"{":
        return "safetensors", _opened_safetensors(content), {}
    if not content:
        raise CheckpointError("Expected a checkpoint. Found an empty file. Copy or save it again.")
    return "other", {}, {}


def _opened_sb3(members: Mapping[str, bytes]) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    if "data" not in members:
        raise CheckpointError(
            "Expected policy.pth and data, as model.save() of Stable-Baselines3 writes them. Found no data. "
            "Save the model again."
        )
    try:
        data = json.loads(members["data"])
        version = members.get("_stable_baselines3_version", b"").decode("ascii")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"Expected JSON in data. Found something else ({error}). Save it again."
        ) from None
    if not isinstance(data, dict):
        raise CheckpointError(f"Expected a mapping in data. Found a {type(data).__name__}. Save it again.")
    tensors, _ = _opened_torch(members["policy.pth"])
    return "sb3", tensors, data | {"version": version.strip()}


def _opened_torch(content: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    loaded = read_torch_file(io.BytesIO(content))
    if not isinstance(loaded, dict):
        raise CheckpointError(
            f"Expected a state_dict. Found a {type(loaded).__name__}. Save the network's state_dict() with torch.save."
        )
    tensors = _tensors_of(loaded)
    inside = next((name for name in _NESTED if isinstance(loaded.get(name), dict)), None)
    if not tensors and inside is not None:
        return _tensors_of(loaded[inside]), {name: value for name, value in loaded.items() if name != inside}
    return tensors, {name: value for name, value in loaded.items() if name not in tensors}


def _tensors_of(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {
        name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)
    }


def _opened_safetensors(content: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"Expected a whole safetensors file. Found a damaged one ({error}). Copy or save it again."
        ) from None
