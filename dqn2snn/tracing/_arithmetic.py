"""Sums, differences, products and quotients of symbolic values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dqn2snn.tracing._refuse import refuse
from dqn2snn.tracing._value import Affine, Scale, Shift, Value, combine

_SUMS: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "sub": operator.sub}
_PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {"mul": operator.mul, "div": operator.truediv}
ARITHMETIC = {*_SUMS, *_PRODUCTS, "neg", "rsub"}
"""Names of the operators, without the aliases of torch and Python."""


def arithmetic(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Value:
    """Evaluate a sum, difference, product or quotient of values and constants.

    Args:
        name: One of `ARITHMETIC`.
        args: Positional arguments, values in the place of tensors.
        kwargs: Keyword arguments.
        result: Result of the call on the example batch.

    Raises:
        UnsupportedModuleError: If it is not affine, or a constant differs between the samples of a batch.
    """
    if kwargs.get("alpha", 1) != 1 or kwargs.get("rounding_mode") is not None:
        raise refuse(name, "function", f"with {kwargs}")
    if name == "neg":
        negated: Value = args[0].then(Scale(_constant(-1.0)))
        return negated
    if name == "rsub":
        name, args = "sub", (args[1], args[0])
    first, second = args[0], args[1] if len(args) > 1 else kwargs["other"]
    shape = tuple(result.shape[1:])
    if isinstance(first, Value) and isinstance(second, Value):
        if name in _PRODUCTS:
            raise refuse(name, "function", "a product of two network values is not affine")
        if len(first.shape) != len(second.shape):
            raise refuse(name, "function", "terms of different rank broadcast over the batch")
        return combine(first, second, _SUMS[name], shape)
    if isinstance(first, Value):
        return _with_constant(name, first, second, shape)
    if name == "div":
        raise refuse(name, "function", "a constant divided by a network value is not affine")
    after = _with_constant(name, second, first, shape)
    return after.then(Scale(_constant(-1.0))) if name == "sub" else after


def _with_constant(name: str, value: Value, other: Any, shape: tuple[int, ...]) -> Value:
    constant = _constant(other)
    if constant.ndim > len(value.shape):  # [1, C, 1, 1] broadcasts over the batch as [C, 1, 1] over a sample.
        if constant.shape[0] != 1:
            raise refuse(name, "function", "a constant that differs between the samples of a batch")
        constant = constant[0]
    if name in _SUMS:
        step: Shift | Scale = Shift(constant if name == "add" else -constant)
    else:
        step = Scale(constant if name == "mul" else constant.reciprocal())
    # A constant that is larger than the value makes copies of it, which the linear part has to show.
    return value.then(step if shape == value.shape else Affine(step), shape=shape)


def _constant(other: Any) -> Tensor:
    return torch.as_tensor(other, dtype=torch.float64).detach()
