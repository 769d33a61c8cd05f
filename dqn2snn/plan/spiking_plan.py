"""The immutable value that says what a spiking network is.

A `SpikingPlan` holds, per layer, scaled weights and biases on a fixed-point grid, thresholds, initial
membranes and the reset, and beside them the readout's scale and the number of steps. Every backend, engine
and file is a reading of it; nothing is decided after it has been made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan.coding import Coding, ReadoutKind, coding_named
from dqn2snn.plan.layer import SpikingLayer
from dqn2snn.plan.ops import Shape
from dqn2snn.plan.steps import check_num_steps
from dqn2snn.plan.summary import headline, summary
from dqn2snn.plan.synapses import synapses


@dataclass(frozen=True, eq=False)
class SpikingPlan:
    """A spiking Q-network, as a value.

    Attributes:
        layers: The hidden layers. The first one receives a constant current computed from the observation.
        output: The output neurons, one per action.
        readout_scale: Q-value of a firing rate of one, in the DQN's units.
        num_steps: Time steps of a decision; the grid is exact in float32 up to this many.
        recipe: How it was made, as the text of a `dqn2snn.recipes.Recipe`: the rule and all steps after it.
        reference: The paper that describes it.
        input_bits: Observations are rounded to multiples of 2^-input_bits; None for raw floats.
        report: Findings of the calibration, for people: numbers and strings only.
        coding: Meaning of spikes; see `dqn2snn.dynamics.codings`.
        carry: Part of a membrane, as a decision leaves it, with which the next decision starts.
        warmup_steps: Additional steps of the first decision of an episode, in which a "delta" network settles.
        readout: How Q-values are read.
    """

    layers: tuple[SpikingLayer, ...]
    output: SpikingLayer
    readout_scale: float
    num_steps: int
    recipe: str
    reference: str
    input_bits: int | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    coding: Coding = field(default_factory=lambda: coding_named("rate"))
    carry: float = 0.0
    warmup_steps: int = 0
    readout: ReadoutKind = "rate"

    def __post_init__(self) -> None:
        if not self.output.plain or self.layers[0].step_bias is not None:
            raise PlanError(
                "Expected output neurons that send one spike a step at most, and a first layer without step_bias. "
                "Found others. Their robust rate is exact as it is, and the first layer's current is constant."
            )
        if not isinstance(self.coding, Coding):
            raise PlanError(
                f"Expected a Coding. Found {self.coding!r}. Use dqn2snn.plan.coding.coding_named(name)."
            )
        self.coding.check(self)

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
        return self.coding.remembers(self)

    @property
    def settling_steps(self) -> int:
        """Steps of one decision from rest, a warm-up included."""
        return self.num_steps + self.warmup_steps

    @property
    def on_grid(self) -> bool:
        """Whether every number is a multiple of a power of two, so that all backends give the same spikes."""
        return self.input_bits is not None

    def cast(self, dtype: torch.dtype, device: torch.device | None = None) -> SpikingPlan:
        """Convert the plan to another dtype, and move it to another device if one is given."""
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
            rate+ridge, 16 steps, 4 inputs, 2 actions
        """
        return summary(self)

    @property
    def headline(self) -> str:
        """One line on the whole network."""
        return headline(self)

    @property
    def spikes_kind(self) -> str:
        """Kind of spikes that hardware has to send for this network."""
        most = max(layer.max_spikes for layer in self.layers)
        sign = "signed" if any(layer.signed for layer in self.layers) else "unsigned"
        return f"{sign} single" if most == 1 else f"{sign} graded up to {most}"
