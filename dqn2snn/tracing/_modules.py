"""Modules of torch.nn, on symbolic values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from dqn2snn.plan.ops import Conv, Dense, Pad, Reshape, SumPool
from dqn2snn.tracing._refuse import refuse
from dqn2snn.tracing._value import Affine, Scale, Shift, Step, Value

Handler = Callable[[Any, str, Value, torch.Size], Value]
"""(module, its qualified name, value, shape of the result with its batch dimension) -> value."""

_NOISY = (
    ("weight_mu", "weight_sigma", "bias_mu", "bias_sigma"),
    ("mu_W", "sigma_W", "mu_bias", "sigma_bias"),
)
"""Attributes of noisy linear layers (Fortunato 2018): TorchRL and most others, Tianshou."""


def module_value(module: nn.Module, name: str, value: Value, result: torch.Size) -> Value:
    """Apply a module to a value.

    Raises:
        UnsupportedModuleError: If the module has no spiking counterpart.
    """
    if (means := noisy_means(module)) is not None:
        return linear(value, *means, shape=result, name=name)
    kind = type_before_parametrizations(module)  # weight norm and spectral norm give a weight like any other
    if kind not in _HANDLERS:
        raise refuse(name, kind.__name__)
    return _HANDLERS[kind](module, name, value, result)


def noisy_means(module: nn.Module) -> tuple[Tensor, Tensor | None] | None:
    """The mean weights and biases of a noisy linear layer, whatever library it is from."""
    for weight, spread, bias, _ in _NOISY:
        if hasattr(module, weight) and hasattr(module, spread):
            return getattr(module, weight), getattr(module, bias, None)
    return None


def noise_spreads(module: nn.Module) -> list[Tensor]:
    """Parameters that scale the noise of a noisy linear layer."""
    names = (name for _, weight, _, bias in _NOISY for name in (weight, bias))
    return [spread for name in names if isinstance(spread := getattr(module, name, None), Tensor)]


def linear(value: Value, weight: Tensor, bias: Tensor | None, *, shape: torch.Size, name: str = "") -> Value:
    """`x W^T + b` over the last dimension."""
    w = weight.detach().double()
    dense: Step = Dense(w) if len(value.shape) == 1 else Affine(lambda x: F.linear(x, w))
    steps = (dense,) if bias is None else (dense, Shift(bias.detach().double()))
    return value.then(*steps, shape=tuple(shape[1:]), name=name or value.name)


def conv2d(
    value: Value,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    shape: torch.Size,
    name: str = "",
) -> Value:
    """A convolution; string paddings become a `Pad` in front of it, since they may be asymmetric."""
    dilation, weight = _pair(dilation), weight.detach().double()
    steps: list[Step] = []
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        (top, left), (bottom, right) = [t // 2 for t in totals], [t - t // 2 for t in totals]
        steps.append(Pad((left, right, top, bottom)))
    margin = (0, 0) if isinstance(padding, str) else _pair(padding)
    steps.append(Conv(weight, _pair(stride), margin, dilation, groups))
    if bias is not None:
        steps.append(Shift(bias.detach().double().reshape(-1, 1, 1)))
    return value.then(*steps, shape=tuple(shape[1:]), name=name or value.name)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return int(first), int(second)


def _conv_module(module: nn.Conv2d, name: str, value: Value, result: torch.Size) -> Value:
    if module.padding_mode != "zeros":
        raise refuse(name, "Conv2d", f"padding_mode={module.padding_mode!r}; only 'zeros' is known")
    return conv2d(
        value,
        module.weight,
        module.bias,
        stride=module.stride,
        padding=module.padding,
        dilation=module.dilation,
        groups=module.groups,
        shape=result,
        name=name,
    )


def _linear_module(module: nn.Linear, name: str, value: Value, result: torch.Size) -> Value:
    return linear(value, module.weight, module.bias, shape=result, name=name)


def _avg_pool(module: nn.AvgPool2d, name: str, value: Value, result: torch.Size) -> Value:
    kernel, padding = _pair(module.kernel_size), _pair(module.padding)
    stride = kernel if module.stride is None else _pair(module.stride)
    varying = padding != (0, 0) and not module.count_include_pad and module.divisor_override is None
    if module.ceil_mode or varying:  # The divisor depends on the position: not a sum with one factor.
        return value.then(Affine(module), shape=tuple(result[1:]))
    divisor = module.divisor_override or kernel[0] * kernel[1]
    factor = torch.tensor(1.0 / divisor, dtype=torch.float64)
    return value.then(SumPool(kernel, stride, padding), Scale(factor), shape=tuple(result[1:]))


def _batch_norm(module: Any, name: str, value: Value, result: torch.Size) -> Value:
    if module.running_mean is None:
        raise refuse(name, type(module).__name__, "no running statistics, so its output depends on the batch")
    variance = module.running_var.detach().double() + module.eps
    gamma = torch.ones_like(variance) if module.weight is None else module.weight.detach().double()
    beta = torch.zeros_like(variance) if module.bias is None else module.bias.detach().double()
    scale = gamma / variance.sqrt()
    shift = beta - module.running_mean.detach().double() * scale
    per_sample = (-1, *(1 for _ in value.shape[1:]))
    return value.then(Scale(scale.reshape(per_sample)), Shift(shift.reshape(per_sample)))


def _zero_pad(module: Any, name: str, value: Value, result: torch.Size) -> Value:
    if getattr(module, "value", 0) != 0:
        raise refuse(name, "ConstantPad2d", f"value={module.value}; only 0 is known")
    left, right, top, bottom = module.padding
    return value.then(Pad((left, right, top, bottom)), shape=tuple(result[1:]))


def _reshape(module: nn.Module, name: str, value: Value, result: torch.Size) -> Value:
    return value.then(Reshape(tuple(result[1:])), shape=tuple(result[1:]))


def _linear_map(module: nn.Module, name: str, value: Value, result: torch.Size) -> Value:
    return value.then(Affine(module), shape=tuple(result[1:]))


def _nothing(module: nn.Module, name: str, value: Value, result: torch.Size) -> Value:
    return value


def _relu(module: nn.Module, name: str, value: Value, result: torch.Size) -> Value:
    return value.rectified


_HANDLERS: dict[type[nn.Module], Handler] = {
    nn.Conv2d: _conv_module,
    nn.Linear: _linear_module,
    nn.ReLU: _relu,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _linear_map,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.ZeroPad2d: _zero_pad,
    nn.ConstantPad2d: _zero_pad,
    nn.Flatten: _reshape,
    nn.Unflatten: _reshape,
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
    nn.Dropout1d: _nothing,
    nn.Dropout2d: _nothing,
    nn.Dropout3d: _nothing,
    nn.AlphaDropout: _nothing,
    nn.FeatureAlphaDropout: _nothing,
}
