"""How far membranes can go, whatever spikes arrive; the proof for beta = 1 is at `dqn2snn.plan.grid`.

Where beta > 1, a membrane runs away once it is further from its rest than later spikes can bring back. Let B be the
largest current of one step, of either sign. From

    R = (B + k theta) / (beta - 1)

on, a step leaves at least beta R - B - k theta = R of it. The membrane keeps its sign for ever: the neuron sends k
spikes at each step, or takes back as many as it may, and so does every membrane beyond R. What is further from rest
than R may be taken for R, and no membrane is larger than beta R + B, for any number of steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.layer import SpikingLayer


def largest_membrane(layer: SpikingLayer, before: SpikingLayer, num_steps: int) -> float:
    """Bound the membranes of a layer and all sums in them by the largest of each part; see `membrane_bounds`."""
    if layer.beta > 1:
        return float(membrane_bounds(layer, before, num_steps).max())
    arriving, sent = _travels(layer, before, num_steps)
    extra = 0.0 if layer.step_bias is None else float(layer.step_bias.abs().amax(1).sum())
    return float(layer.v_init.abs().max()) + max(float(arriving.max()) + extra, float(sent.max()))


def membrane_bounds(layer: SpikingLayer, before: SpikingLayer, num_steps: int) -> Tensor:
    """Bound the membrane of each neuron and all sums in it.

    Args:
        layer: The layer.
        before: The one that sends it spikes.
        num_steps: T.

    Returns:
        Tensor: `[*shape]` float64. Neurons with beta > 1 that integrate only have no bound but that of one current.
    """
    rest = per_channel(layer.v_init.abs(), layer.shape)
    if layer.beta > 1:
        current = largest_currents(layer, before)
        away = current if layer.duration == 0 else layer.beta * _escape(layer, current) + current
        return rest + away.expand(layer.shape)
    arriving, sent = _travels(layer, before, num_steps)
    if layer.step_bias is not None:
        arriving = arriving + per_channel(layer.step_bias.abs().sum(0), layer.shape)
    return rest + torch.maximum(arriving, sent)


def _travels(layer: SpikingLayer, before: SpikingLayer, num_steps: int) -> tuple[Tensor, Tensor]:
    """Bound what arrives at each neuron in the steps that it remembers, and what it has sent, where beta <= 1."""
    steps = min(float(num_steps), 1 / (1 - layer.beta) + 1) if layer.beta < 1 else float(num_steps)
    most = _most_spikes(before, steps) + (before.max_spikes if before.signed else 0)
    excited, inhibited = (_part(layer.affine, sign, most, steps) for sign in (1, -1))
    arriving = excited + inhibited if before.signed else torch.maximum(excited, inhibited)
    return arriving, _most_spikes(layer, steps) * per_channel(layer.threshold, layer.shape)


def largest_currents(layer: SpikingLayer, before: SpikingLayer) -> Tensor:
    """Bound the current of each neuron in one step, of either sign, `[*shape]` float64."""
    excited, inhibited = (_part(layer.affine, sign, before.max_spikes, 1) for sign in (1, -1))
    return excited + inhibited


def reach_of(layer: SpikingLayer, before: SpikingLayer | None) -> float:
    """The distance R from its rest from which on a growing membrane never comes back.

    Args:
        layer: With beta > 1.
        before: The layer that sends it spikes; None where there is no current after the first step.

    Returns:
        float: The largest of the layer.
    """
    current = torch.zeros((), dtype=torch.float64) if before is None else largest_currents(layer, before)
    return float(_escape(layer, current).max())


def _escape(layer: SpikingLayer, current: Tensor) -> Tensor:
    sent = layer.max_spikes * per_channel(layer.threshold, layer.shape)
    return (current + sent) / (layer.beta - 1)


def _part(affine: AffineLayer, sign: int, spikes: float, steps: float) -> Tensor:
    """Sum the weights and biases of one sign, for so many spikes of each input in so many steps."""
    part = affine.with_parameters(
        (sign * affine.weight).clamp(min=0), steps * (sign * affine.bias).clamp(min=0)
    )
    return part(torch.full((1, *affine.in_shape), float(spikes), dtype=torch.float64))[0]


def _most_spikes(layer: SpikingLayer, num_steps: float) -> float:
    """That a neuron can have sent at any time, those taken back subtracted."""
    most = num_steps * layer.max_spikes
    return most if layer.max_count is None else float(layer.max_count)
