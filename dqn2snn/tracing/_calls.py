"""What functions and tensor methods do to a value."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dqn2snn.ops import Reshape
from dqn2snn.tracing._modules import conv2d, linear, module_value
from dqn2snn.tracing._refuse import refuse
from dqn2snn.tracing._value import Affine, Scale, Shift, Value, combine, relu

__all__ = ["call_value"]

_RELU = {"relu", "relu_"}
_SAME = {"float", "double", "to", "type", "contiguous", "clone", "detach", "dropout", "requires_grad_"}
_RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "ravel"}
_LINEAR = {
    "mean",
    "sum",
    "permute",
    "transpose",
    "getitem",
    "narrow",
    "select",
    "flip",
    "adaptive_avg_pool2d",
    "movedim",
}
_SUMS: dict[str, Callable[[Any, Any], Any]] = {"add": operator.add, "sub": operator.sub}
_PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {"mul": operator.mul, "div": operator.truediv}
_ALIASES = {
    "iadd": "add",
    "isub": "sub",
    "imul": "mul",
    "itruediv": "div",
    "truediv": "div",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "rsub": "rsub",
    "negative": "neg",
}


def call_value(
    name: str, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Value:
    """The value of a call with at least one `Value` among its arguments.

    Args:
        name: Name of the function or method.
        target: The callable itself; methods take the tensor first.
        args: Positional arguments, values in the place of tensors.
        kwargs: Keyword arguments.
        result: What the call gave on the example batch.

    Returns:
        Value: What the call computes.

    Raises:
        UnsupportedModuleError: If the call is not affine, or mixes the samples of a batch.
    """
    name = _plain(name)
    values = [argument for argument in (*args, *kwargs.values()) if isinstance(argument, Value)]
    if name in _SUMS or name in _PRODUCTS or name in ("neg", "rsub"):
        return _arithmetic(name, args, kwargs, result)
    if len(values) != 1 or args[:1] != (values[0],):
        raise refuse(name, "function", "several network values meet in it")
    value, rest = values[0], args[1:]
    if name in _RELU:
        return relu(value)
    if name in _SAME:
        return value
    if name in _RESHAPES:
        return value.then(Reshape(tuple(result.shape[1:])), shape=tuple(result.shape[1:]))
    if name in _LINEAR:
        return value.then(Affine(lambda x: target(x, *rest, **kwargs)), shape=tuple(result.shape[1:]))
    if target in _LAYERS:
        return _LAYERS[target](value, rest, kwargs, result.shape)
    raise refuse(name, "function")


def _plain(name: str) -> str:
    name = name.strip("_") if name.startswith("__") or name not in _RELU else name
    return _ALIASES.get(name, name)


def _arithmetic(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Value:
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
        return value.then(Shift(constant if name == "add" else -constant), shape=shape)
    factor = constant if name == "mul" else constant.reciprocal()
    if factor.numel() == 1:
        return value.then(Scale(factor.reshape(())), shape=shape)
    return value.then(Affine(lambda x: x * factor), shape=shape)


def _constant(other: Any) -> Tensor:
    return torch.as_tensor(other).detach().double()


def _linear_call(value: Value, args: tuple[Any, ...], kwargs: dict[str, Any], shape: torch.Size) -> Value:
    def bind(weight: Tensor, bias: Tensor | None = None) -> Value:
        return linear(value, weight, bias, shape=shape)

    return bind(*args, **kwargs)


def _conv_call(value: Value, args: tuple[Any, ...], kwargs: dict[str, Any], shape: torch.Size) -> Value:
    def bind(
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Value:
        return conv2d(
            value, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, shape=shape
        )

    return bind(*args, **kwargs)


def _avg_pool_call(value: Value, args: tuple[Any, ...], kwargs: dict[str, Any], shape: torch.Size) -> Value:
    return module_value(nn.AvgPool2d(*args, **kwargs), "avg_pool2d", value, shape)


_LAYERS: dict[Callable[..., Any], Callable[[Value, tuple[Any, ...], dict[str, Any], torch.Size], Value]] = {
    F.linear: _linear_call,
    torch.conv2d: _conv_call,
    F.conv2d: _conv_call,
    F.avg_pool2d: _avg_pool_call,
}
