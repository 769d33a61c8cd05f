"""Plans in raw numbers, and random kinds of neurons for them, a kind for each layer."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import torch
from torch import Tensor

import dqn2snn
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from tests import agents
from tests.kinds import delta

__all__ = ["carried", "persistent", "raw_plan", "varied"]


@cache
def raw_plan(name: str, num_steps: int) -> SpikingPlan:
    """The paper's conversion of a shipped agent, in raw numbers."""
    network, observations = agents.agent(name), agents.observations(name)
    return dqn2snn.convert(network, observations, recipe="tan2021", num_steps=num_steps, grid=None).plan


def varied(plan: SpikingPlan, random: Random) -> SpikingPlan:
    """Some layers with several spikes a step, spikes that are taken back, a limit, a current for each step, or an
    initial membrane for each neuron."""
    first, *later = plan.all_layers
    first = _own_start(_graded(first, random), random, 0.0, 0.99)
    later = [_own_start(_step_biased(layer, plan.num_steps, random), random, -1.0, 2.0) for layer in later]
    hidden = [_graded(layer, random) for layer in later[:-1]]
    return replace(plan, layers=(first, *hidden), output=later[-1])


def carried(plan: SpikingPlan, random: Random) -> SpikingPlan:
    """The same, and a decision starts with a part of what the last one left."""
    return replace(varied(plan, random), carry=random.randint(1, 16) / 16)


def persistent(plan: SpikingPlan, random: Random) -> SpikingPlan:
    """Sigma-delta coding, with levels, spikes a step and signs of each layer's own."""
    plan = replace(plan, layers=tuple(map(_soft, plan.layers)), output=_soft(plan.output))
    plan = delta(plan, random.choice((1, 5, 16, 64)), 1)
    layers = [
        replace(
            layer,
            max_spikes=random.choice((1, 2, 8, 127)),
            signed=random.random() < 0.8,
            max_count=random.choice((layer.max_count, 300)),
        )
        for layer in plan.layers
    ]
    return replace(plan, layers=tuple(layers), warmup_steps=random.choice((0, 1, 20)))


def _soft(layer: SpikingLayer) -> SpikingLayer:
    return replace(layer, reset="subtract")


def _graded(layer: SpikingLayer, random: Random) -> SpikingLayer:
    if random.random() < 0.2:
        return layer
    kind: dict[str, Any] = {
        "max_spikes": random.choice((1, 2, 3, 8, 127)),
        "signed": random.random() < 0.6,
        "max_count": random.choice((None, None, 1, 5, 64)),
    }
    return replace(layer, reset="subtract", **kind)


def _step_biased(layer: SpikingLayer, num_steps: int, random: Random) -> SpikingLayer:
    if random.random() < 0.6:
        return layer
    return replace(layer, step_bias=_uniform((num_steps, layer.shape[0]), random, -0.5, 0.5))


def _own_start(layer: SpikingLayer, random: Random, low: float, high: float) -> SpikingLayer:
    """Initial membranes of the neurons, in thresholds."""
    if random.random() < 0.5:
        return layer
    start = _uniform(layer.shape, random, low, high) * per_channel(layer.threshold, layer.shape)
    return replace(layer, v_init=start)


def _uniform(shape: tuple[int, ...], random: Random, low: float, high: float) -> Tensor:
    generator = torch.Generator().manual_seed(random.getrandbits(32))
    return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)
