"""The integrate-and-fire neuron and its kin, as a pure function."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan import SpikingLayer
from dqn2snn.plan.state import NeuronState


def if_step(current: Tensor, state: NeuronState, layer: SpikingLayer) -> tuple[Tensor, NeuronState]:
    """One step of a layer of integrate-and-fire neurons.

        v <- v + I;    s = spikes_of(v, N);    v <- v - s theta   (soft reset)   or   v <- v_init where s   (hard reset)

    Args:
        current: I, `[B, *shape]`.
        state: After the previous step.
        layer: What the neurons are, cast to the dtype of the state.

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
    membrane = state.membrane + current
    spikes = spikes_of(membrane, state.count, layer)
    count = state.count + spikes
    if layer.reset == "subtract":
        return spikes, NeuronState(membrane - spikes * layer.threshold, count)
    return spikes, NeuronState(torch.where(spikes > 0, layer.v_init, membrane), count)


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
    lowest = -count.clamp(max=k) if layer.signed else torch.zeros_like(count)
    return torch.floor(membrane / layer.threshold).clamp(lowest, highest)


def initial_state(layer: SpikingLayer, batch: int) -> NeuronState:
    """The state before the first step, with memory of its own."""
    membrane = layer.v_init.expand(batch, *layer.shape).clone()
    return NeuronState(membrane, torch.zeros_like(membrane))
