"""The integrate-and-fire neuron, as a pure function."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan import SpikingLayer

__all__ = ["if_step", "initial_membrane"]


def if_step(current: Tensor, membrane: Tensor, layer: SpikingLayer) -> tuple[Tensor, Tensor]:
    """One step of a layer of integrate-and-fire neurons.

        v <- v + I;    s = [v >= theta];    v <- v - s theta   (soft reset)   or   v <- v_init where s   (hard reset)

    Args:
        current: I, `[B, *shape]`.
        membrane: v after the previous step, `[B, *shape]`.
        layer: Threshold, initial membrane and reset, cast to the dtype of the membrane.

    Returns:
        tuple[Tensor, Tensor]: Spikes (0 or 1) and the membrane after the reset, `[B, *shape]`.

    Example:
        >>> from dqn2snn.graph import AffineLayer
        >>> from dqn2snn.ops import Dense
        >>> affine = AffineLayer("fc", (Dense(torch.eye(1)),), torch.zeros(1), (1,), (1,))
        >>> layer = SpikingLayer(affine, threshold=torch.tensor(1.0), v_init=torch.tensor(0.0))
        >>> if_step(torch.tensor([[0.75]]), torch.tensor([[0.5]]), layer)
        (tensor([[1.]]), tensor([[0.2500]]))
    """
    membrane = membrane + current
    spikes = (membrane >= layer.threshold).to(membrane.dtype)
    if layer.reset == "subtract":
        return spikes, membrane - spikes * layer.threshold
    return spikes, torch.where(spikes > 0, layer.v_init, membrane)


def initial_membrane(layer: SpikingLayer, batch: int) -> Tensor:
    """The membrane before the first step, `[batch, *shape]`, with memory of its own."""
    return layer.v_init.expand(batch, *layer.shape).clone()
