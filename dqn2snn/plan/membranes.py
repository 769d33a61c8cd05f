"""How far membranes can go, whatever spikes arrive; the proof is at `dqn2snn.plan.grid`."""

from __future__ import annotations

import torch

from dqn2snn.plan.layer import SpikingLayer


def largest_membrane(layer: SpikingLayer, before: SpikingLayer, num_steps: int) -> float:
    """The bound at the head of `dqn2snn.plan.grid`, for a layer and the one that sends it spikes."""
    affine, steps = layer.affine, float(num_steps)
    most = _most_spikes(before, num_steps) + (before.max_spikes if before.signed else 0)
    spikes = torch.full((1, *affine.in_shape), float(most), dtype=torch.float64)
    excitation, inhibition = (
        affine.with_parameters(
            (sign * affine.weight).clamp(min=0), steps * (sign * affine.bias).clamp(min=0)
        )(spikes)
        for sign in (1, -1)
    )
    reach = excitation + inhibition if before.signed else torch.maximum(excitation, inhibition)
    extra = 0.0 if layer.step_bias is None else float(layer.step_bias.abs().amax(1).sum())
    sent = _most_spikes(layer, num_steps) * float(layer.threshold.max())
    return float(layer.v_init.abs().max()) + max(float(reach.max()) + extra, sent)


def _most_spikes(layer: SpikingLayer, num_steps: int) -> int:
    """That a neuron can have sent at any time, those taken back subtracted."""
    most = num_steps * layer.max_spikes
    return most if layer.max_count is None else layer.max_count
