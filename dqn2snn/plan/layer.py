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

BETA_BITS = 8
"""beta is a multiple of 2^-8, so that its product with a membrane on a grid is a number that float64 holds exactly."""


@dataclass(frozen=True, eq=False)
class SpikingLayer:
    """One layer of spiking neurons and the synapses that lead to it.

    With r = `v_init` the resting potential, N the spikes that a neuron has sent so far, those taken back subtracted,
    k = `max_spikes` and L = `max_count`,

        v <- r + beta (v - r) + I;    s = clip(floor(v / theta), lowest, min(k, L - N));    v <- v - s theta;
        N <- max(beta, 1) N + s,

    where lowest = -min(k, N) in a signed layer and 0 in others, with the N that has just grown. The defaults, beta = 1
    and k = 1, are the integrate-and-fire neuron. beta < 1 is the leaky one, whose membrane falls back to its rest;
    beta > 1 is one whose membrane grows away from it, so that early spikes stand for more. beta (v - r) is rounded to
    the layer's grid, half to even, as integer hardware does.

    Attributes:
        affine: Synapses and bias currents, in float64; `I[t] = W s[t] + b`.
        threshold: `[]` or `[C]`, one per channel.
        v_init: `[]`, `[C]` or one per neuron, membrane before the first step.
        reset: Effect of a spike on the membrane.
        fraction_bits: Biases, thresholds and membranes are multiples of 2^-fraction_bits; None for raw floats.
        weight_bits: Weights are int16 multiples of 2^-weight_bits, int32 where beta > 1; the same as `fraction_bits`
            but in the first layer, which sees observations instead of spikes.
        max_spikes: k, spikes that a neuron sends in one step at most ("burst", where more than one).
        signed: Whether negative spikes take back earlier ones once the membrane is below zero.
        max_count: L, spikes that a neuron has sent at most, those taken back subtracted; None for no limit.
        step_bias: `[T, C]`, a current for each step beside the bias, not in the first layer; None for none.
        beta: What is kept of a membrane from one step to the next, a multiple of 1/256.
        delay: Steps of a decision before a neuron may fire; until then it integrates.
        duration: Steps from then on in which it may fire; None for all, 0 for a neuron that integrates only.
        reach: Where beta > 1, membranes further from rest than this are taken for this far. So large a membrane keeps
            its sign for ever, so that no spike changes (`dqn2snn.plan.membranes`); None for no limit.
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
    beta: float = 1.0
    delay: int = 0
    duration: int | None = None
    reach: float | None = None

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
        if not 0 < self.beta < 2**BETA_BITS or self.beta * 2**BETA_BITS % 1:
            raise PlanError(
                f"Expected beta of layer {self.name!r} above 0 and below {2**BETA_BITS}, a multiple of "
                f"1/{2**BETA_BITS}. Found {self.beta!r}. Use 1 for neurons that keep all, or 243/256 for about 0.95."
            )
        if any(
            isinstance(n, bool) or not isinstance(n, Integral) or n < 0
            for n in (self.delay, self.duration or 0)
        ):
            raise PlanError(
                f"Expected a delay and a duration of layer {self.name!r} in whole steps, not negative. Found "
                f"{self.delay!r} and {self.duration!r}. Use 0 and None for neurons that fire at any step."
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

    @property
    def steady(self) -> bool:
        """Whether membranes keep all that they have, and neurons may fire at every step."""
        return self.beta == 1 and self.delay == 0 and self.duration is None

    @property
    def largest_weight(self) -> int:
        """Largest weight in steps of its grid: int16, or what float32 holds where digits call for more than 16 bits."""
        return 2**15 - 1 if self.beta <= 1 else 2**24 - 1

    @property
    def growth(self) -> float:
        """By how much the count of spikes grows each step: max(beta, 1)."""
        return max(self.beta, 1.0)

    def may_fire(self, step: int) -> bool:
        """Whether its neurons may fire at a step of a decision, the first one being 0."""
        return step >= self.delay and (self.duration is None or step < self.delay + self.duration)

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
