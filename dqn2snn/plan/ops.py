"""The linear maps between two layers of neurons, as frozen values.

A map is a short chain of these operations: at most one of them carries weights (`Conv`, `Dense`), the
others move or add what arrives (`Pad`, `SumPool`, `Reshape`). Average pooling is a sum pooling whose
factor has been folded into the weights, because a sum of spikes stays an integer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Conv:
    """Two-dimensional convolution without bias, `[B, C, H, W] -> [B, C', H', W']`."""

    weight: Tensor
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch."""
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True, eq=False)
class Dense:
    """Matrix product without bias, `[B, F] -> [B, F']`."""

    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch."""
        return F.linear(x, self.weight)


@dataclass(frozen=True)
class SumPool:
    """Sum over windows, `[B, C, H, W] -> [B, C, H', W']`."""

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch."""
        return F.avg_pool2d(x, self.kernel, self.stride, self.padding, divisor_override=1)


@dataclass(frozen=True)
class Pad:
    """Zeros around an image; `widths` are (left, right, top, bottom)."""

    widths: tuple[int, int, int, int]

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch."""
        return F.pad(x, self.widths)


@dataclass(frozen=True)
class Reshape:
    """Row-major reshape of everything but the batch dimension."""

    shape: Shape

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the map to a batch."""
        # A batch of 0 leaves -1 undetermined, so the size is spelled out.
        return x.reshape(x.shape[0], *self.shape)

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        return math.prod(self.shape)


LinearOp = Conv | Dense | SumPool | Pad | Reshape


def run(ops: tuple[LinearOp, ...], x: Tensor) -> Tensor:
    """Apply operations in order.

    Example:
        >>> run((SumPool((2, 2), (2, 2)), Reshape((1,))), torch.ones(1, 1, 2, 2))
        tensor([[4.]])
    """
    for op in ops:
        x = op(x)
    return x


def out_shape(ops: tuple[LinearOp, ...], in_shape: Shape) -> Shape:
    """Follow the shape of one sample through operations, on torch's meta device: nothing is computed or allocated.

    Raises:
        RuntimeError: If torch refuses the shapes.

    Example:
        >>> out_shape((SumPool((2, 2), (2, 2)), Reshape((16,))), (4, 4, 4))
        (16,)
    """
    meta = torch.device("meta")
    x = torch.empty(1, *in_shape, dtype=torch.float64, device=meta)
    return tuple(run(cast(ops, torch.float64, meta), x).shape[1:])


def weighted(ops: tuple[LinearOp, ...]) -> Conv | Dense:
    """The operation of a chain that carries the weights.

    Raises:
        LookupError: If there is none or more than one.
    """
    found = [op for op in ops if isinstance(op, (Conv, Dense))]
    if len(found) != 1:
        raise LookupError(f"Expected one weighted operation. Found {len(found)} in {ops}.")
    return found[0]


def cast(
    ops: tuple[LinearOp, ...], dtype: torch.dtype, device: torch.device | None = None
) -> tuple[LinearOp, ...]:
    """Convert the weights of operations to another dtype, and move them to another device if one is given."""
    return tuple(
        replace(op, weight=op.weight.to(device=device, dtype=dtype)) if isinstance(op, (Conv, Dense)) else op
        for op in ops
    )
