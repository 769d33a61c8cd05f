"""One layer of spiking neurons, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Literal

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.ops import Shape

Reset = Literal["subtract", "zero"]
"""After a spike the membrane loses one threshold ("subtract", soft) or starts again from v_init ("zero", hard)."""

_MOST_SPIKES = 127
"""Limit for a neuron in one step: the number fits int8."""

_MOST_COUNT = 2**53
"""Limit for a neuron in all steps: float64, in which spikes are counted, holds no larger whole number for certain."""


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
        reset: Effect of a spike on the membrane.
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
        """Convert the layer to another dtype, thresholds shaped to broadcast over neurons."""
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
