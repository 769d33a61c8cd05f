"""The fields of a layer that say how its neuron modules leak or grow, and when they may fire."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dqn2snn.plan import SpikingLayer


@dataclass(frozen=True)
class Kinetics:
    """Leak or growth, and the steps of a decision in which a neuron may fire.

    Attributes:
        beta: Share of a membrane, as far as it is from rest, that a step keeps.
        reach: Where beta > 1, membranes further from rest are taken for this far; None for no limit.
        fraction_bits: Membranes are rounded to multiples of 2^-fraction_bits; None for raw floats.
        delay: Steps before a neuron may fire.
        duration: Steps from then on in which it may; None for all, 0 for a neuron that integrates only.
    """

    beta: float = 1.0
    reach: float | None = None
    fraction_bits: int | None = None
    delay: int = 0
    duration: int | None = None

    @classmethod
    def of(cls, layer: SpikingLayer) -> Kinetics:
        """Those of a layer of a plan."""
        return cls(layer.beta, layer.reach, layer.fraction_bits, layer.delay, layer.duration)

    @property
    def growth(self) -> float:
        """By how much the count of spikes grows each step."""
        return max(self.beta, 1.0)

    def may_fire(self, step: Tensor, like: Tensor) -> Tensor:
        """Whether neurons may fire at steps `[B]`, as ones and zeros that broadcast over `like` `[B, *shape]`."""
        last = float("inf") if self.duration is None else self.delay + self.duration
        open_ = (step >= self.delay) & (step < last)
        return open_.to(like).reshape(-1, *(1 for _ in like.shape[1:]))
