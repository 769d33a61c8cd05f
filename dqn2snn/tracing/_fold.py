"""Folding an affine chain into one weighted operation and one bias."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn.errors import UnsupportedModuleError
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Pad, Reshape, Shape, SumPool
from dqn2snn.tracing._value import Scale, Shift, Step, Value, apply

_LARGEST_MATRIX = 2**25
"""Elements of a matrix that stands in for a chain without a form of its own (256 MiB of float64)."""


def fold(value: Value) -> AffineLayer:
    """The affine layer that computes a value from its source.

    The bias is the chain's value at zero. The linear part keeps its form where it is one convolution or
    matrix with poolings and reshapes around it; everything else becomes the matrix that it is.
    """
    shape = value.source.shape
    bias = apply(value.steps, torch.zeros(1, *shape, dtype=torch.float64))[0]
    linear = tuple(step for step in value.steps if not isinstance(step, Shift))
    ops = _structured(linear, shape) or _as_matrix(value, bias)
    return AffineLayer(value.name, ops, _compact(bias), shape, value.shape)


def _compact(bias: Tensor) -> Tensor:
    """One bias per channel where all positions share it but for the rounding of their sums."""
    by_channel = bias.flatten(1) if bias.ndim > 1 else bias[:, None]
    first = by_channel[:, :1]
    rounding = 1e-13 * float(by_channel.abs().max())
    return first[:, 0].clone() if bool(((by_channel - first).abs() <= rounding).all()) else bias


def _structured(steps: tuple[Step, ...], shape: Shape) -> tuple[LinearOp, ...] | None:
    """The chain with its scales folded into its single weighted operation, or None."""
    if not all(isinstance(step, (Conv, Dense, SumPool, Pad, Reshape, Scale)) for step in steps):
        return None
    cores = [i for i, step in enumerate(steps) if isinstance(step, (Conv, Dense))]
    if len(cores) != 1:
        return None
    before, core, after = steps[: cores[0]], steps[cores[0]], steps[cores[0] + 1 :]
    assert isinstance(core, (Conv, Dense))
    entering, leaving = _entering_scale(before, shape), _leaving_scale(after, core)
    if entering is None or leaving is None:
        return None
    weight = _scale_inputs(core, entering)
    weight = weight * leaving.reshape(-1, *(1 for _ in weight.shape[1:]))
    kept = (*before, replace(core, weight=weight), *after)
    return tuple(step for step in kept if isinstance(step, (Conv, Dense, SumPool, Pad, Reshape)))


def _entering_scale(steps: tuple[Step, ...], shape: Shape) -> Tensor | None:
    """The scales before the weights as one factor per input channel, or None where they are not that."""
    factors: Tensor | None = torch.ones(1, *shape, dtype=torch.float64)
    for step in steps:
        if factors is None:
            return None
        if isinstance(step, (Scale, Reshape)):
            factors = step(factors)
        else:  # A pooling or a padding: only what is the same over a whole channel passes through it.
            passed, uniform = step(torch.ones_like(factors)), _one_per_channel(factors)
            factors = None if uniform is None else uniform.reshape(1, -1, 1, 1).expand_as(passed)
    return None if factors is None else _one_per_channel(factors)


def _leaving_scale(steps: tuple[Step, ...], core: Conv | Dense) -> Tensor | None:
    """The scales behind the weights as one factor per output channel, or None where they are not that."""
    factors, reshaped = torch.ones(core.weight.shape[0], dtype=torch.float64), False
    rank = 3 if isinstance(core, Conv) else 1
    for step in steps:
        reshaped = reshaped or isinstance(step, Reshape)
        if not isinstance(step, Scale):
            continue
        if step.factor.numel() == 1:
            factors = factors * step.factor.reshape(())
            continue
        aligned = step.factor.reshape(1, *(1 for _ in range(rank - step.factor.ndim)), *step.factor.shape)
        by_channel = None if reshaped else _one_per_channel(aligned)
        if by_channel is None:
            return None
        factors = factors * by_channel
    return factors


def _one_per_channel(factors: Tensor) -> Tensor | None:
    flat = factors[0].flatten(1) if factors.ndim > 2 else factors[0][:, None]
    return flat[:, 0] if bool((flat == flat[:, :1]).all()) else None


def _scale_inputs(op: Conv | Dense, factors: Tensor) -> Tensor:
    """Weights of `x -> op(factors * x)`."""
    weight = op.weight
    if isinstance(op, Dense):
        return weight * factors
    grouped = weight.reshape(op.groups, -1, *weight.shape[1:])
    return (grouped * factors.reshape(op.groups, 1, -1, 1, 1)).reshape(weight.shape)


def _as_matrix(value: Value, bias: Tensor) -> tuple[LinearOp, ...]:
    """The chain as a matrix on the flattened source."""
    rows, columns = math.prod(value.shape), math.prod(value.source.shape)
    if rows * columns > _LARGEST_MATRIX:
        raise UnsupportedModuleError(
            f"Expected one convolution or linear map between two ReLUs at {value.name or 'the input'!r}. Found a chain "
            f"that only a matrix of {rows} x {columns} could stand for. Put a ReLU between them or merge them."
        )
    jacobian = _by_rows(value, rows) if rows <= columns else _by_columns(value, bias, columns)
    before = () if len(value.source.shape) == 1 else (Reshape((columns,)),)
    after = () if len(value.shape) == 1 else (Reshape(value.shape),)
    return (*before, Dense(jacobian), *after)


def _by_columns(value: Value, bias: Tensor, columns: int) -> Tensor:
    basis = torch.eye(columns, dtype=torch.float64).reshape(columns, *value.source.shape)
    return (apply(value.steps, basis) - bias).reshape(columns, -1).T.contiguous()


def _by_rows(value: Value, rows: int) -> Tensor:
    # One sample per output: the gradient of output i of sample i is row i.
    with torch.enable_grad():
        x = torch.zeros(rows, *value.source.shape, dtype=torch.float64, requires_grad=True)
        outputs = apply(value.steps, x).reshape(rows, rows)
        (gradient,) = torch.autograd.grad(outputs.diagonal().sum(), x)
    return gradient.reshape(rows, -1)
