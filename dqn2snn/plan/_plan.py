"""The immutable value that says what a spiking network is.

A `SpikingPlan` holds, per layer, scaled weights and biases on a fixed-point grid, thresholds, initial
membranes and the reset, and beside them the readout's scale and the number of steps. Every backend, engine
and file is a reading of it; nothing is decided after it has been made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn._utils.table import format_table
from dqn2snn.errors import PlanError
from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.ops import Conv, Dense, Shape, run

__all__ = [
    "FORMAT_VERSION",
    "Coding",
    "ReadoutKind",
    "Reset",
    "SpikingLayer",
    "SpikingPlan",
    "check_num_steps",
]

FORMAT_VERSION = 2

Reset = Literal["subtract", "zero"]
"""After a spike the membrane loses one threshold ("subtract", soft) or starts again from v_init ("zero", hard)."""

ReadoutKind = Literal["rate", "slope"]
"""How Q-values are read from the output's charge: its mean per step, or its slope over time (`readout.RobustSlope`)."""

Coding = Literal["rate", "delta", "latency"]
"""What spikes mean: how often they come ("rate"), changes of a level that persists from one decision to the next
("delta"), or the time at which the only one comes ("latency")."""


_MOST_SPIKES = 127
"""Of a neuron in one step: the number fits int8."""

_MOST_COUNT = 2**53
"""Of a neuron in all: float64, in which spikes are counted, holds no larger whole number for certain."""


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """One layer of integrate-and-fire neurons and the synapses that lead to it.

    With N the spikes that a neuron has sent so far, those taken back subtracted, k = `max_spikes` and L = `max_count`,

        v <- v + I;    s = clip(floor(v / theta), lowest, min(k, L - N));    v <- v - s theta;    N <- N + s,

    where lowest = -min(k, N) in a signed layer and 0 in others. The defaults are the integrate-and-fire neuron.

    Attributes:
        affine: Synapses and bias currents, in float64; `I[t] = W s[t] + b`.
        threshold: `[]` or `[C]`, one per channel.
        v_init: `[]`, `[C]` or one per neuron, membrane before the first step.
        reset: What a spike does to the membrane.
        fraction_bits: Biases, thresholds and membranes are multiples of 2^-fraction_bits; None for raw floats.
        weight_bits: Weights are int16 multiples of 2^-weight_bits; the same as `fraction_bits` but in the
            first layer, which sees observations instead of spikes.
        max_spikes: k, spikes that a neuron sends in one step at most ("burst", where more than one).
        signed: Whether negative spikes take back earlier ones once the membrane is below zero.
        max_count: L, spikes that a neuron has sent at most, those taken back subtracted; None for no limit.
        step_bias: `[T, C]`, a current for each step beside the bias, not in the first layer; None for none.
    """

    affine: AffineLayer
    threshold: Tensor
    v_init: Tensor
    reset: Reset = "subtract"
    fraction_bits: int | None = None
    weight_bits: int | None = None
    max_spikes: int = 1
    signed: bool = False
    max_count: int | None = None
    step_bias: Tensor | None = None

    def __post_init__(self) -> None:
        counts = (self.max_spikes, 1 if self.max_count is None else self.max_count)
        if any(
            isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= n <= _MOST_COUNT for n in counts
        ):
            raise PlanError(
                f"Expected whole max_spikes, and max_count or None, from 1 to 2^53 of layer {self.name!r}. Found "
                f"{self.max_spikes!r} and {self.max_count!r}. Use 1 and None for integrate-and-fire neurons."
            )
        if self.max_spikes > _MOST_SPIKES or (self.reset == "zero" and not self.plain):
            raise PlanError(
                f"Expected at most {_MOST_SPIKES} spikes a step of layer {self.name!r}, and a soft reset where there "
                f"can be several or negative ones. Found {self.max_spikes} and reset={self.reset!r}. Use "
                'reset="subtract" and fewer.'
            )

    @property
    def name(self) -> str:
        """Name of the layer in the user's network."""
        return self.affine.name

    @property
    def shape(self) -> Shape:
        """Shape of the layer's neurons."""
        return self.affine.out_shape

    @property
    def plain(self) -> bool:
        """Whether the neurons send one spike a step at most and never take one back."""
        return self.max_spikes == 1 and not self.signed and self.max_count is None

    def cast(self, dtype: torch.dtype, device: torch.device | None = None) -> SpikingLayer:
        """The same layer in another dtype, thresholds shaped to broadcast over neurons."""
        step_bias = self.step_bias
        if step_bias is not None:
            step_bias = step_bias.reshape(*step_bias.shape[:2], *(1 for _ in self.shape[1:]))
            step_bias = step_bias.to(device=device, dtype=dtype)
        return replace(
            self,
            affine=self.affine.cast(dtype, device),
            threshold=per_channel(self.threshold, self.shape).to(device=device, dtype=dtype),
            v_init=per_channel(self.v_init, self.shape).to(device=device, dtype=dtype),
            step_bias=step_bias,
        )


@dataclass(frozen=True, eq=False)
class SpikingPlan:
    """A spiking Q-network, as a value.

    Attributes:
        layers: The hidden layers. The first one receives a constant current computed from the observation.
        output: The output neurons, one per action.
        readout_scale: Q-value of a firing rate of one, in the DQN's units.
        num_steps: Time steps of a decision; the grid is exact in float32 up to this many.
        recipe: Name of the conversion rule.
        reference: The paper that describes it.
        input_bits: Observations are rounded to multiples of 2^-input_bits; None for raw floats.
        report: What calibration found, for people: numbers and strings only.
        coding: What spikes mean. In "delta" coding the first layer receives the *change* of its current at the first
            step of a decision, biases of later layers are part of `v_init`, and state persists between decisions.
        carry: Of what a decision leaves in a membrane, the part that the next decision starts with.
        warmup_steps: Additional steps of the first decision of an episode, in which a "delta" network settles.
        readout: How Q-values are read in "rate" coding.
    """

    layers: tuple[SpikingLayer, ...]
    output: SpikingLayer
    readout_scale: float
    num_steps: int
    recipe: str
    reference: str
    input_bits: int | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    coding: Coding = "rate"
    carry: float = 0.0
    warmup_steps: int = 0
    readout: ReadoutKind = "rate"

    def __post_init__(self) -> None:
        if not self.output.plain or self.layers[0].step_bias is not None:
            raise PlanError(
                "Expected output neurons that send one spike a step at most, and a first layer without step_bias. "
                "Found others. Their robust rate is exact as it is, and the first layer's current is constant."
            )
        if self.coding == "delta" and any(layer.max_count is None for layer in self.layers):
            raise PlanError(
                "Expected hidden layers with max_count, their number of levels, in delta coding. Found one without. "
                "Use the recipe sigma_delta."
            )
        if self.readout != "rate" and self.coding != "rate":
            raise PlanError(
                f'Expected readout="rate" in {self.coding} coding, whose charge does not grow with time. Found '
                f"{self.readout!r}. Leave it as it is."
            )
        if not 0 <= self.carry <= 1 or self.carry * 16 % 1 or (self.carry and self.coding != "rate"):
            raise PlanError(
                f"Expected a carry that is a multiple of 1/16 from 0 to 1, and 0 but in rate coding. Found "
                f"{self.carry!r} in {self.coding} coding. Use 0.5, say."
            )

    @property
    def input_shape(self) -> Shape:
        """Shape of one observation."""
        return self.layers[0].affine.in_shape

    @property
    def num_actions(self) -> int:
        """Number of actions."""
        return self.output.affine.neurons

    @property
    def all_layers(self) -> tuple[SpikingLayer, ...]:
        """The hidden layers and the output."""
        return (*self.layers, self.output)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the hidden layers and of the output."""
        return tuple(layer.name for layer in self.all_layers)

    @property
    def stateful(self) -> bool:
        """Whether a decision depends on those before it in the episode."""
        return self.coding == "delta" or self.carry != 0

    @property
    def on_grid(self) -> bool:
        """Whether every number is a multiple of a power of two, so that all backends give the same spikes."""
        return self.input_bits is not None

    def cast(self, dtype: torch.dtype, device: torch.device | None = None) -> SpikingPlan:
        """The same plan in another dtype, and on another device if one is given."""
        layers = tuple(layer.cast(dtype, device) for layer in self.layers)
        return replace(self, layers=layers, output=self.output.cast(dtype, device))

    def check_steps(self, num_steps: int | None) -> int:
        """The number of steps to simulate: `num_steps`, or the plan's own.

        Raises:
            PlanError: If it is not positive, or more than the grid was made for.
        """
        steps = self.num_steps if num_steps is None else check_num_steps(num_steps)
        if self.on_grid and steps > self.num_steps:
            raise PlanError(
                f"Expected at most {self.num_steps} steps, for which this plan's grid is exact. Found {steps}. "
                f"Convert with num_steps={steps}."
            )
        return steps

    def fan_out(self, layer: int) -> Tensor:
        """Synapses that leave each neuron of a hidden layer, in the layer's shape."""
        return synapses(self.all_layers[layer + 1].affine)

    @property
    def input_macs(self) -> int:
        """Multiply-accumulates that turn one observation into the first layer's current, once a decision."""
        return int(synapses(self.layers[0].affine).sum())

    @property
    def dqn_macs(self) -> int:
        """Multiply-accumulates of one forward pass of the DQN."""
        return sum(int(synapses(layer.affine).sum()) for layer in self.all_layers)

    def summary(self) -> str:
        """A table of the layers.

        Example:
            >>> from torch import nn
            >>> import dqn2snn
            >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
            >>> plan = dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan
            >>> print(plan.summary().splitlines()[0])
            rate, 16 steps, 4 inputs, 2 actions
        """
        return f"{self.headline}\n{format_table(self.columns, self.rows())}"

    @property
    def headline(self) -> str:
        """One line on the whole network."""
        inputs = math.prod(self.input_shape)
        return f"{self.recipe}, {self.num_steps} steps, {inputs} inputs, {self.num_actions} actions"

    @property
    def spikes_kind(self) -> str:
        """What kind of spikes hardware has to send for this network."""
        most = max(layer.max_spikes for layer in self.layers)
        sign = "signed" if any(layer.signed for layer in self.layers) else "unsigned"
        return f"{sign} single" if most == 1 else f"{sign} graded up to {most}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Header of the summary."""
        return ("layer", "neurons", "weights", "threshold", "grid", "scale")

    def rows(self) -> list[list[str]]:
        """One row of the summary for each layer."""
        scales = self.report.get("scales")
        known = scales if isinstance(scales, Mapping) else {}  # a report is free-form
        return [
            [
                layer.name,
                f"{layer.affine.neurons:,}",
                f"{layer.affine.weight.numel():,}",
                f"{float(layer.threshold.mean()):.4g}",
                "float" if layer.fraction_bits is None else f"2^-{layer.fraction_bits}",
                f"{scale:.4g}" if isinstance(scale := known.get(layer.name), (int, float)) else "",
            ]
            for layer in self.all_layers
        ]


def check_num_steps(num_steps: int) -> int:
    """The number of steps itself.

    Raises:
        PlanError: If it is not a positive whole number.
    """
    if isinstance(num_steps, bool) or not isinstance(num_steps, Integral) or num_steps < 1:
        raise PlanError(
            f"Expected a positive whole number of steps. Found num_steps={num_steps!r}. The paper uses 500."
        )
    return int(num_steps)


@on_host()
def synapses(affine: AffineLayer) -> Tensor:
    """Number of outputs that each input of an affine layer reaches, in the shape of its input."""
    ones = tuple(
        replace(op, weight=torch.ones(op.weight.shape, dtype=torch.float64))
        if isinstance(op, (Conv, Dense))
        else op
        for op in affine.ops
    )
    with torch.enable_grad():
        x = torch.zeros(1, *affine.in_shape, dtype=torch.float64, requires_grad=True)
        (reached,) = torch.autograd.grad(run(ones, x).sum(), x)
    return reached[0]
