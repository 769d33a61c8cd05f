"""One layer by itself: what a step costs event by event, and what it costs as a dense product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dqn2snn.dynamics.neuron import initial_state
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, Reshape, Shape
from measuring.speed.timing import Budget, time_together

__all__ = ["LayerTimes", "measure", "probe"]

_STEPS = (64, 320)
"""T of a short and a long simulation; their difference is free of what a decision costs only once."""

_ROWS = 256
"""Steps of one dense product, as many as the torch engine would take."""

_HIGH = 1000.0
"""Thresholds that no membrane reaches: a layer that never fires costs its followers nothing."""


@dataclass(frozen=True)
class LayerTimes:
    """CPU seconds of one step of a layer.

    Attributes:
        rate: Mean firing rate of its inputs, in spikes per step.
        event: Event by event, with making its inputs' list of spikes.
        dense: As a convolution or matrix product over many steps, with the scan over time.
    """

    rate: float
    event: float
    dense: float


def probe(layer: SpikingLayer, num_steps: int) -> SpikingPlan:
    """A plan in which a layer's inputs fire at the rates that the observation says, and nothing else happens.

    Args:
        layer: The layer to be measured, on the grid.
        num_steps: T.

    Returns:
        SpikingPlan: Its observations have the shape of the layer's input: a rate for each neuron, in [0, 1].
    """
    bits = layer.fraction_bits
    source = SpikingLayer(
        _identity(layer.affine.in_shape), torch.tensor(1.0), torch.tensor(0.0), "subtract", 14, 14
    )
    silent = replace(layer, threshold=layer.threshold * _HIGH)
    weights = torch.zeros(1, layer.affine.neurons, dtype=torch.float64)
    flat = replace(layer.affine, name="output", ops=(), bias=torch.zeros(1, dtype=torch.float64))
    output = replace(flat, ops=_reading(layer.shape, weights), in_shape=layer.shape, out_shape=(1,))
    return SpikingPlan(
        layers=(source, silent),
        output=SpikingLayer(output, torch.tensor(1.0), torch.tensor(0.0), "subtract", bits, bits),
        readout_scale=1.0,
        num_steps=num_steps,
        recipe="probe",
        reference="",
        input_bits=14,
    )


def _identity(shape: Shape) -> AffineLayer:
    if len(shape) == 3:
        op: Conv | Dense = Conv(torch.ones(shape[0], 1, 1, 1, dtype=torch.float64), groups=shape[0])
    else:
        op = Dense(torch.eye(shape[0], dtype=torch.float64))
    return AffineLayer("source", (op,), torch.zeros(shape[0], dtype=torch.float64), shape, shape)


def _reading(shape: Shape, weights: Tensor) -> tuple[Conv | Dense | Reshape, ...]:
    flatten = () if len(shape) == 1 else (Reshape((weights.shape[1],)),)
    return (*flatten, Dense(weights))


def measure(layer: SpikingLayer, rate: float, budget: Budget, seed: int = 0) -> LayerTimes:
    """Time one layer at one rate, on one thread of torch.

    Args:
        layer: The layer, on the grid.
        rate: Mean firing rate of its inputs; each input has its own, uniform from 0 to twice the mean or up to 1.
        budget: How long to measure.
        seed: Determines the rates of the inputs.

    Returns:
        LayerTimes: The times.

    Raises:
        ArgumentError: If the event engine is not there, or does not take the layer.
    """
    plan = probe(layer, max(_STEPS))
    generator = torch.Generator().manual_seed(seed)
    spread = min(rate, 1 - rate)
    rates = rate + spread * (2 * torch.rand(1, *layer.affine.in_shape, generator=generator) - 1)
    snn = SpikingQNetwork(plan, engine="event").requires_grad_(False)
    spikes = (torch.rand(_ROWS, *layer.affine.in_shape, generator=generator) < rate).float()
    dense = _dense(layer, spikes)
    calls: dict[str, Callable[[], Tensor]] = {
        "short": lambda: snn(rates, _STEPS[0]),
        "long": lambda: snn(rates, _STEPS[1]),
        "dense": dense,
    }
    timings, _ = time_together(calls, budget)
    slope = (timings["long"].cpu_min - timings["short"].cpu_min) / (_STEPS[1] - _STEPS[0])
    return LayerTimes(rate, max(slope, 0.0), timings["dense"].cpu_min / _ROWS)


def _dense(layer: SpikingLayer, spikes: Tensor) -> Callable[[], Tensor]:
    ready = layer.cast(torch.float32)
    if spikes.ndim == 4:
        spikes = spikes.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def run() -> Tensor:
        currents = ready.affine(spikes)
        membrane = initial_state(ready, 1).membrane[0]
        fired = torch.empty_like(membrane)
        for current in currents:
            membrane += current
            torch.ge(membrane, ready.threshold, out=fired)
            membrane.addcmul_(fired, ready.threshold, value=-1)
        return membrane

    return run
