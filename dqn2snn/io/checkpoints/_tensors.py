"""Checks of tensors that come from a file."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dqn2snn.errors import CheckpointError

_DTYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
)  # fmt: skip


def checked_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Refuse tensors that are no weights.

    Args:
        tensors: By name.

    Returns:
        The tensors, detached.

    Raises:
        CheckpointError: If one has an exotic type, claims more numbers than it holds, or holds NaN or infinity.

    Example:
        >>> checked_tensors({"bias": torch.tensor([float("nan")])})
        Traceback (most recent call last):
        ...
        dqn2snn.errors.CheckpointError: Expected finite weights. Found NaN or infinity in 'bias'. Training diverged...
    """
    return {name: _checked(name, tensor) for name, tensor in tensors.items()}


def _checked(name: str, tensor: Tensor) -> Tensor:
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided
    if not plain or tensor.device.type != "cpu" or tensor.dtype not in _DTYPES:
        raise CheckpointError(
            f"Expected tensors of real numbers. Found {name!r}, {tensor.dtype} with the layout {tensor.layout} on "
            f"{tensor.device}. Save plain weights."
        )
    # A stride of zero makes terabytes of a few bytes.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError(
            f"Expected tensors as large as their shapes. Found {name!r} of shape {tuple(tensor.shape)} in "
            f"{tensor.untyped_storage().nbytes()} bytes. Save its contiguous() copy."
        )
    if not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(
            f"Expected finite weights. Found NaN or infinity in {name!r}. Training diverged, or the file is damaged."
        )
    return tensor.detach()
