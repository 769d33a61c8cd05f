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


def textbook_graded(
    currents: Tensor, threshold: Tensor, v_init: Tensor, max_spikes: int, signed: bool, max_count: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, counts and membranes (after the reset) `[T, B, ...]` of graded neurons, spike by spike."""
    shape = currents.shape[1:]
    thetas = threshold.expand(shape).flatten().tolist()
    membranes = v_init.expand(shape).flatten().tolist()
    counts = [0] * len(membranes)
    records = []
    for current in currents.flatten(1).tolist():
        spikes = []
        for i, theta in enumerate(thetas):
            v, n, sent = membranes[i] + current[i], counts[i], 0
            while v >= theta and sent < max_spikes and (max_count is None or n < max_count):
                v, n, sent = v - theta, n + 1, sent + 1
            while v < 0 and signed and n > 0 and sent > -max_spikes:
                v, n, sent = v + theta, n - 1, sent - 1
            membranes[i], counts[i] = v, n
            spikes.append(sent)
        records.append((spikes, list(counts), list(membranes)))
    spk_rec, count_rec, mem_rec = (
        torch.tensor(record, dtype=currents.dtype).reshape(currents.shape)
        for record in zip(*records, strict=True)
    )
    return spk_rec, count_rec, mem_rec
