"""Plans as files: one safetensors file with the structure as JSON in its header.

Nothing in such a file is executed when it is read. Tensors on the grid are stored as integers: weights as int16, or
as int32 where membranes grow; biases, thresholds and membranes as int32. A file is half the size of the float32
network. A checksum over structure and tensors tells a damaged file from a whole one.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load, save
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.errors import CheckpointError
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, plan_of
from dqn2snn.plan.file._read import read_plan
from dqn2snn.plan.file._write import READABLE, checksum, described_plan, stored_tensors

__all__ = ["load_plan", "save_plan"]

_KEY = "dqn2snn"
"""Key of the structure in the metadata of the safetensors file."""


def save_plan(plan: PlanOrNetwork, path: str | os.PathLike[str]) -> None:
    """Write a plan to a file; the file appears whole or not at all.

    Args:
        plan: The plan, or its network.
        path: File to write, by convention `*.safetensors`.

    Raises:
        CheckpointError: If the file cannot be written.
        PlanError: If the plan's numbers are not on the grid that it names.
    """
    plan = plan_of(plan)
    target, content = Path(path), plan_bytes(plan)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"Expected a file that can be written. Found {path}: {error.strerror}. Choose another place."
        ) from None


def plan_bytes(plan: PlanOrNetwork) -> bytes:
    """The content of a plan's file; equal plans give equal bytes.

    Raises:
        PlanError: If the plan's numbers are not on the grid that it names, or its report is not plain data.
    """
    plan = plan_of(plan)
    tensors, header = stored_tensors(plan), described_plan(plan)
    header["sha256"] = checksum(header, tensors)
    return save(tensors, metadata={_KEY: json.dumps(header, sort_keys=True)})


@on_host()
def load_plan(path: str | os.PathLike[str]) -> SpikingPlan:
    """Read a plan from a file.

    Args:
        path: A file that `save_plan` wrote.

    Returns:
        SpikingPlan: The plan, bit by bit.

    Raises:
        CheckpointError: If the file is missing, truncated, corrupt, not a plan, or of another version.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"Expected a plan at {path}. Found no readable file: {error}. Check the path."
        ) from None
    try:
        tensors, header = _parsed(content)
    except (safetensors.SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"Expected a plan at {path}. Found a file that is truncated or another: {error!r}. Save it again."
        ) from None
    version = header.get("format_version")
    if isinstance(version, bool) or version not in READABLE:
        raise CheckpointError(
            f"Expected a plan of format_version {' or '.join(map(str, READABLE))}. Found {version!r} in {path}. "
            "Convert the network again, or use the version of dqn2snn that wrote it."
        )
    try:
        if header.pop("sha256") != checksum(header, tensors):
            raise ValueError("its checksum is that of another one")
        return read_plan(header, tensors)
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(
            f"Expected a whole plan at {path}. Found a corrupt one: {error!r}. Save it again."
        ) from None


def _parsed(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and structure. The first eight bytes of a safetensors file are the length of its header."""
    tensors = load(content)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][_KEY])
    if not isinstance(header, dict):
        raise TypeError(f"its structure is a {type(header).__name__}")
    return tensors, header
