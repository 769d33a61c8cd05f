"""Functions and tensor methods, on symbolic values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dqn2snn.plan.ops import Reshape
from dqn2snn.tracing._arithmetic import ARITHMETIC, arithmetic
from dqn2snn.tracing._modules import conv2d, linear, module_value
from dqn2snn.tracing._refuse import refuse
from dqn2snn.tracing._value import Affine, Value

_RELU = {"relu", "relu_"}
_SAME = {
    "float",
    "double",
    "to",
    "type",
    "type_as",
    "contiguous",
    "clone",
    "detach",
    "data",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
    "requires_grad_",
}
_DTYPES = (torch.float32, torch.float64)
_RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "view_as", "reshape_as"}
_TEMPLATES = {"expand_as", "view_as", "reshape_as", "to", "type_as"}
"""Their second tensor gives nothing but its shape or its dtype."""
_EXPANSIONS = {"expand", "expand_as"}
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
    """Evaluate a call with at least one `Value` among its arguments.

    Args:
        name: Name of the function or method.
        target: The callable itself; methods take the tensor first.
        args: Positional arguments, values in the place of tensors.
        kwargs: Keyword arguments.
        result: Result of the call on the example batch.

    Returns:
        Value: The result as an affine function.

    Raises:
        UnsupportedModuleError: If the call is not affine, or mixes the samples of a batch.
    """
    name = _plain(name)
    if "input" in kwargs:
        args, kwargs = (kwargs["input"], *args), {key: kwargs[key] for key in kwargs if key != "input"}
    if name in ARITHMETIC:
        return arithmetic(name, args, kwargs, result)
    value, *rest = args or (None,)
    others = [argument for argument in (*rest, *kwargs.values()) if isinstance(argument, Value)]
    if not isinstance(value, Value) or (others and name not in _TEMPLATES):
        raise refuse(name, "function", "several network values meet in it")
    if target in _LAYERS:
        return _LAYERS[target](value, tuple(rest), kwargs, result.shape)
    return _tensor_call(name, value, lambda x: target(x, *rest, **kwargs), result)


def _tensor_call(name: str, value: Value, call: Callable[[Tensor], Tensor], result: Tensor) -> Value:
    shape = tuple(result.shape[1:])
    if name in _RELU:
        return value.rectified
    if name in _SAME:
        if result.dtype not in _DTYPES:
            raise refuse(name, "function", f"it casts to {result.dtype}")
        return value
    if name in _RESHAPES:
        return value.then(Reshape(shape), shape=shape)
    if name in _EXPANSIONS:
        return value.then(Affine(lambda x: x.expand(x.shape[0], *shape)), shape=shape)
    if name in _LINEAR:
        return value.then(Affine(call), shape=shape)
    raise refuse(name, "function")


def _plain(name: str) -> str:
    name = name.strip("_") if name.startswith("__") or name not in _RELU else name
    return _ALIASES.get(name, name)


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


def _pad_call(value: Value, args: tuple[Any, ...], kwargs: dict[str, Any], shape: torch.Size) -> Value:
    def bind(pad: Any, mode: str = "constant", value: float | None = None) -> nn.Module:
        if mode != "constant" or len(pad) != 4:
            raise refuse(
                "pad",
                "function",
                f"with mode={mode!r} and pad={tuple(pad)}; only zeros around images are known",
            )
        return nn.ConstantPad2d(tuple(pad), value or 0.0)

    return module_value(bind(*args, **kwargs), "pad", value, shape)


_LAYERS: dict[Callable[..., Any], Callable[[Value, tuple[Any, ...], dict[str, Any], torch.Size], Value]] = {
    F.linear: _linear_call,
    torch.conv2d: _conv_call,
    F.conv2d: _conv_call,
    F.avg_pool2d: _avg_pool_call,
    F.pad: _pad_call,
}
