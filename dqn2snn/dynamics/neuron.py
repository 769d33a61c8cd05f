"""The spiking neuron as a pure function: it integrates, leaks or grows, and fires, by the fields of its layer."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from dqn2snn.plan import SpikingLayer
from dqn2snn.plan.grid import rounded
from dqn2snn.plan.state import NeuronState

_COUNT_BITS = 8
"""Counts that grow by a beta that is no whole number are multiples of 2^-8."""

_MOST_WHOLE, _MOST_FRACTIONAL = 2.0**24, 2.0**15
"""Counts that grow stay here: float32 holds them exactly, and so many spikes are never all taken back."""


def if_step(
    current: Tensor, state: NeuronState, layer: SpikingLayer, step: int = 0
) -> tuple[Tensor, NeuronState]:
    """One step of a layer of spiking neurons.

        v <- r + kept(v - r) + I;    s = spikes_of(v, N);    v <- v - s theta,  or, reset to zero,  v <- v_init where s

    Args:
        current: I, `[B, *shape]`.
        state: After the previous step.
        layer: What the neurons are, cast to the dtype of the state.
        step: Number of the step in its decision, from 0 on.

    Returns:
        tuple[Tensor, NeuronState]: Spikes, whole numbers, and the state after the reset.

    Example:
        >>> from dqn2snn.plan.graph import AffineLayer
        >>> from dqn2snn.plan.ops import Dense
        >>> affine = AffineLayer("fc", (Dense(torch.eye(1)),), torch.zeros(1), (1,), (1,))
        >>> layer = SpikingLayer(affine, threshold=torch.tensor(1.0), v_init=torch.tensor(0.0))
        >>> spikes, state = if_step(torch.tensor([[0.75]]), initial_state(layer, 1), layer)
        >>> spikes, state = if_step(torch.tensor([[0.5]]), state, layer)
        >>> spikes, state.membrane
        (tensor([[1.]]), tensor([[0.2500]]))
    """
    before = state.membrane if layer.beta == 1 else layer.v_init + kept(state.membrane - layer.v_init, layer)
    membrane, sent = before + current, grown(state.count, layer)
    spikes = spikes_of(membrane, sent, layer) if layer.may_fire(step) else torch.zeros_like(membrane)
    count = sent + spikes
    if layer.reset == "subtract":
        return spikes, NeuronState(membrane - spikes * layer.threshold, count)
    return spikes, NeuronState(torch.where(spikes > 0, layer.v_init, membrane), count)


class Kinetics(Protocol):
    """The fields of a `SpikingLayer` that change a neuron between two steps."""

    @property
    def beta(self) -> float:
        """Share of a membrane that a step keeps."""

    @property
    def growth(self) -> float:
        """By how much the count of spikes grows."""

    @property
    def reach(self) -> float | None:
        """Where a growing membrane is taken for one at this distance from rest."""

    @property
    def fraction_bits(self) -> int | None:
        """The grid of membranes."""


def kept(away: Tensor, neurons: Kinetics) -> Tensor:
    """Leave of a membrane, as far as it is from rest, what the next step begins with: `beta (v - r)`.

    The product is rounded to the layer's grid, half to even, where beta is no whole number, in float64, so that float32
    gives the same; gradients pass the rounding as if it were not there. Where beta > 1, a membrane beyond `reach` is
    taken for one at it.

    Args:
        away: v - r, `[B, *shape]`.
        neurons: What they are.

    Returns:
        Tensor: In the dtype of the membrane; the membrane itself where beta is 1.
    """
    if neurons.beta == 1:
        return away
    if neurons.reach is not None:
        away = away.clamp(-neurons.reach, neurons.reach)
    if neurons.beta % 1 == 0 or neurons.fraction_bits is None:
        return neurons.beta * away
    product = neurons.beta * away.double()
    return (product + (rounded(product, neurons.fraction_bits) - product).detach()).to(away.dtype)


def grown(count: Tensor, neurons: Kinetics) -> Tensor:
    """Let the count of spikes grow with the worth of earlier ones: `max(beta, 1) N`.

    A count above k / (beta - 1) never comes back to zero, so that it may stop growing where float32 ends.

    Args:
        count: N, `[B, *shape]`.
        neurons: What they are.

    Returns:
        Tensor: The count itself where it does not grow.
    """
    if neurons.growth == 1:
        return count
    if neurons.growth % 1 == 0:
        return (neurons.growth * count).clamp(max=_MOST_WHOLE)
    product = rounded(neurons.growth * count.double(), _COUNT_BITS)
    return product.clamp(max=_MOST_FRACTIONAL).to(count.dtype)


def spikes_of(membrane: Tensor, count: Tensor, layer: SpikingLayer) -> Tensor:
    """Spikes of neurons before their reset: `clip(floor(v / theta), lowest, highest)`, see `SpikingLayer`.

    A quotient near a whole number that matters, k at most, is off by less than its distance to it, so that float32
    gives what float64 does for membranes on a grid.

    Args:
        membrane: v, `[B, *shape]`.
        count: N before this step.
        layer: What the neurons are.

    Returns:
        Tensor: Whole numbers in the dtype of the membrane.
    """
    if layer.plain:
        return (membrane >= layer.threshold).to(membrane.dtype)
    k = layer.max_spikes
    highest = torch.full_like(count, k) if layer.max_count is None else (layer.max_count - count).clamp(max=k)
    lowest = -torch.floor(count).clamp(max=k) if layer.signed else torch.zeros_like(count)
    return torch.floor(membrane / layer.threshold).clamp(lowest, highest)


def initial_state(layer: SpikingLayer, batch: int) -> NeuronState:
    """The state before the first step, with memory of its own."""
    membrane = layer.v_init.expand(batch, *layer.shape).clone()
    return NeuronState(membrane, torch.zeros_like(membrane))
