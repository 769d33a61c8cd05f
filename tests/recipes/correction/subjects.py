"""Small plans of every recipe that corrections take, with the network and observations that they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import bu2022, burst, rate, rate_if, sigma_delta, tan2021
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate

RECIPES: dict[str, Callable[..., SpikingPlan]] = {
    "rate": rate,
    "rate by its mean": partial(rate, readout="rate"),
    "rate_if": rate_if,
    "burst": partial(burst, max_spikes=4),
    "bu2022": bu2022,
    "tan2021": partial(tan2021, percentile=99.9),
    "sigma_delta": partial(sigma_delta, levels=16, max_spikes=4),
}


@cache
def network(kind: str) -> nn.Sequential:
    """Random weights; "dense" has neurons that never fall silent, "image" a padded convolution and a pooling."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _dense() if kind == "dense" else _image()


def _dense() -> nn.Sequential:
    first, second = nn.Linear(5, 12), nn.Linear(12, 10)
    with torch.no_grad():
        first.bias[:4] += 2.0
        second.bias[:3] += 2.0
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(10, 3))


def _image() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3, stride=2),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 16),
        nn.ReLU(),
        nn.Linear(16, 3),
    )


@cache
def observations(kind: str, seed: int = 0, count: int = 300) -> Tensor:
    """Uniform ones."""
    generator = torch.Generator().manual_seed(seed)
    shape = (5,) if kind == "dense" else (2, 6, 6)
    return torch.rand(count, *shape, generator=generator)


@cache
def graph(kind: str) -> LayerGraph:
    """The traced network."""
    return trace(network(kind), tuple(observations(kind).shape[1:]))


@cache
def plan(recipe: str, kind: str, num_steps: int = 8) -> SpikingPlan:
    """In raw numbers."""
    stats = calibrate(graph(kind), observations(kind), (99.9, 99.99))
    return RECIPES[recipe](graph(kind), stats, num_steps=num_steps, grid=None)
