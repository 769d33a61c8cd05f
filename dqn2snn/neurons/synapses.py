"""The stock torch modules between two layers of neurons, and the encoder before the first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import skip_init

from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.grid import rounded
from dqn2snn.plan.ops import Conv, Dense, LinearOp, Pad, Reshape, SumPool


def synapse_modules(affine: AffineLayer, *, bias: bool = True) -> list[nn.Module]:
    """Conv2d, Linear, AvgPool2d, Flatten, ... that compute an affine layer, in float32.

    Poolings are `nn.AvgPool2d` with a divisor of one: they sum spikes, and the average is in the weights.

    Args:
        affine: The layer.
        bias: Whether there are bias currents; where they are all zero, there may be none.

    Returns:
        list[nn.Module]: The modules, in order.
    """
    *others, last = affine.ops
    bias = bias or bool(affine.bias.any())
    in_last = bias and isinstance(last, (Conv, Dense)) and affine.bias.ndim == 1
    modules = [_module(op, affine.bias if in_last and op is last else None) for op in (*others, last)]
    return modules if in_last or not bias else [*modules, BiasMap(per_channel(affine.bias, affine.out_shape))]


def synapses_of(plan: SpikingPlan, layer: SpikingLayer) -> list[nn.Module]:
    """The modules between a layer and the one before; biases of the first step only are not theirs (`StepCurrents`)."""
    affine = layer.affine
    if plan.coding.onset:
        affine = affine.with_parameters(affine.weight, torch.zeros_like(affine.bias))
    return synapse_modules(affine, bias=not (plan.coding.once or plan.coding.onset))


class BiasMap(nn.Module):
    """A bias current per channel or per neuron, where it cannot be part of the weighted module."""

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.float().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Add the bias to `x` `[B, *shape]`."""
        return x + self.bias


class _Round(torch.autograd.Function):
    """Rounding to a grid, straight through for gradients: those of a staircase would be zero."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, bits: int) -> Tensor:
        return rounded(values, bits)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class CurrentEncoder(nn.Module):
    """From an observation to the constant current of the first layer.

    It computes what `dqn2snn.dynamics.encode.constant_current` says, with the first layer's synapses as torch modules:
    in float64 on the grid, rounded, clamped to what its neurons can tell, and returned in the dtype of the weights.
    Gradients pass the rounding as if it were not there, so that the first layer can be trained.
    A "delta" network presents the difference to the current before, which another module takes.

    Args:
        plan: The spiking network.
    """

    threshold: Tensor

    def __init__(self, plan: SpikingPlan) -> None:
        super().__init__()
        first = plan.layers[0]
        self.synapses = nn.Sequential(*synapse_modules(first.affine))
        self.register_buffer("threshold", per_channel(first.threshold, first.shape).float().clone())
        self.input_bits = plan.input_bits
        self.fraction_bits = first.fraction_bits
        self.ceiling = plan.coding.ceiling(first)

    def forward(self, observations: Tensor) -> Tensor:
        """Current `[B, *shape]` of observations `[B, *input_shape]`."""
        if self.input_bits is None or self.fraction_bits is None:
            return self.synapses(observations.to(self.threshold.dtype))  # type: ignore[no-any-return]
        exact = {name: value.double() for name, value in self.synapses.state_dict(keep_vars=True).items()}
        current = functional_call(self.synapses, exact, _rounded(observations.double(), self.input_bits))
        current = _rounded(current, self.fraction_bits).clamp(min=0)
        return torch.minimum(current, self.ceiling * self.threshold.double()).to(self.threshold.dtype)

    def extra_repr(self) -> str:
        """The grids and the limit, in the representation of the module."""
        grids = f"input_bits={self.input_bits}, fraction_bits={self.fraction_bits}"
        return f"{grids}, ceiling={self.ceiling}"


def _rounded(values: Tensor, bits: int) -> Tensor:
    return _Round.apply(values, bits)  # type: ignore[no-any-return, no-untyped-call]


def _module(op: LinearOp, bias: Tensor | None) -> nn.Module:
    if isinstance(op, SumPool):
        return nn.AvgPool2d(op.kernel, op.stride, op.padding, divisor_override=1)
    if isinstance(op, Pad):
        return nn.ZeroPad2d(op.widths)
    if isinstance(op, Reshape):
        return nn.Flatten() if len(op.shape) == 1 else nn.Unflatten(1, op.shape)
    module = _conv(op, bias is not None) if isinstance(op, Conv) else _linear(op, bias is not None)
    with torch.no_grad():
        module.weight.copy_(op.weight)
        if bias is not None and module.bias is not None:
            module.bias.copy_(bias)
    return module


# Without initialisation, which would draw from the global generator only to be overwritten.


def _conv(op: Conv, bias: bool) -> nn.Conv2d:
    outputs, inputs, height, width = op.weight.shape
    module: nn.Conv2d = skip_init(
        nn.Conv2d,
        inputs * op.groups,
        outputs,
        (height, width),
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
        bias=bias,
        device="cpu",
        dtype=torch.float32,
    )
    return module


def _linear(op: Dense, bias: bool) -> nn.Linear:
    outputs, inputs = op.weight.shape
    module: nn.Linear = skip_init(nn.Linear, inputs, outputs, bias=bias, device="cpu", dtype=torch.float32)
    return module
