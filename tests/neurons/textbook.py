"""The neuron as it stands in textbooks, and currents that no dtype rounds."""

from __future__ import annotations

import math

import torch
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.plan import Reset


def textbook_neuron(
    currents: Tensor, threshold: Tensor, v_init: Tensor, reset: Reset
) -> tuple[Tensor, Tensor]:
    """Spikes and membranes (after the reset) `[T, B, ...]` of an integrate-and-fire neuron, one by one."""
    v, spikes, membranes = (v_init + torch.zeros_like(currents[0])), [], []
    for current in currents:
        v = v + current
        fired = v >= threshold
        v = torch.where(fired, v - threshold if reset == "subtract" else v_init, v)
        spikes.append(fired.to(v.dtype))
        membranes.append(v)
    return torch.stack(spikes), torch.stack(membranes)


def dyadic(shape: tuple[int, ...], *, low: float, high: float) -> st.SearchStrategy[Tensor]:
    """Random multiples of 1/64 in [low, high], on which float32 sums are exact."""

    def draw(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        steps = torch.randint(math.ceil(64 * low), math.floor(64 * high) + 1, shape, generator=generator)
        return steps / 64

    return st.integers(0, 2**32 - 1).map(draw)
