"""Random plans of every geometry that the event engine may meet: larger and odder than those of tests.geometries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from random import Random

import torch
from torch import Tensor, nn

from dqn2snn.errors import CalibrationError, PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import diehl2015
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.geometries import RandomNeurons

CHANNELS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 130)
STEPS = (1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 64, 65, 100, 128, 255, 257, 500)
DRIVES = (-0.4, -0.2, -0.1, 0.0, 0.0, 0.1, 0.3, 0.6)
"""Added to every bias current, in thresholds: from all but silent to all but saturated."""

Change = Callable[[SpikingPlan, Random], SpikingPlan]
"""What makes other neurons of a plan in raw numbers."""

_BUDGET = 400_000_000
"""Multiply-accumulates of the float64 reference for one case."""


@dataclass(frozen=True)
class WideCase:
    """A plan and what to simulate."""

    plan: SpikingPlan
    observations: Tensor
    num_steps: int


@cache
def wide_cases() -> list[WideCase]:
    """Some of them, made once."""
    return [case for seed in range(60) if (case := wide_case(Random(seed))) is not None]


def wide_case(
    random: Random,
    grid: str | None = "auto",
    change: Change | None = None,
) -> WideCase | None:
    """A random plan on the grid, with observations; None if calibration or the grid refuses it.

    A plan with other neurons is simulated for few steps.
    """
    generator = torch.Generator().manual_seed(random.getrandbits(32))
    q_network, shape = _q_network(random, generator)
    kind = random.choice(("bytes", "integers", "fractions", "signed"))
    observations = _observations(kind, shape, generator)
    graph = trace(q_network, shape)
    neurons = RandomNeurons(
        random.choice(("subtract", "zero")), ties=random.random() < 0.3, seed=random.getrandbits(32)
    )
    drive = random.choice(DRIVES)
    try:
        stats = calibrate(graph, observations)
        raw = diehl2015(graph, stats, num_steps=1, grid=None)
        num_steps, batch = _extent(random, raw)
        num_steps = num_steps if change is None else min(num_steps, 40)
        first, *others = (driven(layer, drive) for layer in neurons.of(raw))
        *layers, output = (replace(first, v_init=first.v_init.clamp(min=0)), *others)
        plan = replace(raw, layers=tuple(layers), output=output, num_steps=num_steps)
        plan = plan if change is None else change(plan, random)
        plan = plan if grid is None else on_grid(plan, grid, stats.observation_magnitude)
    except (CalibrationError, PlanError):
        return None
    return WideCase(plan, observations[:batch], num_steps)


def _extent(random: Random, plan: SpikingPlan) -> tuple[int, int]:
    """Steps and observations that the reference simulates in a moment."""
    rounds = max(1, _BUDGET // max(1, plan.dqn_macs))
    num_steps = random.choice([steps for steps in STEPS if steps <= rounds])
    return num_steps, random.randint(1, max(1, min(9, rounds // num_steps)))


def driven(layer: SpikingLayer, drive: float) -> SpikingLayer:
    affine = layer.affine
    current = drive * per_channel(layer.threshold, layer.shape)
    if affine.bias.ndim == 1:
        current = current.reshape(-1)
    return replace(layer, affine=affine.with_parameters(affine.weight, affine.bias + current))


def _observations(kind: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if kind == "bytes":
        return torch.randint(0, 256, (48, *shape), generator=generator, dtype=torch.uint8)
    if kind == "integers":
        return torch.randint(0, 2, (48, *shape), generator=generator).float()
    fractions = torch.randn(48, *shape, generator=generator)
    return fractions if kind == "signed" else fractions.abs()


def _q_network(random: Random, generator: torch.Generator) -> tuple[nn.Sequential, tuple[int, ...]]:
    modules: list[nn.Module] = []
    if random.random() < 0.75:
        shape: tuple[int, ...] = (
            random.choice((1, 2, 3, 4, 6, 10)),
            random.randint(5, 16),
            random.randint(5, 16),
        )
        if random.random() < 0.3:
            modules.append(nn.BatchNorm2d(shape[0]))  # before a padded convolution: a bias for each neuron
        for _ in range(random.randint(1, 3)):
            modules += _block(random, _shape_after(modules, shape))
        modules.append(nn.Flatten())
    else:
        shape = (random.choice(CHANNELS),)
    width = math.prod(_shape_after(modules, shape))
    for _ in range(random.randint(0 if modules else 1, 2)):
        hidden = random.choice((*CHANNELS, 200, 512))
        modules += [nn.Linear(width, hidden, bias=random.random() < 0.7)]
        modules += [nn.BatchNorm1d(hidden)] if random.random() < 0.2 else []
        modules += [nn.ReLU()]
        width = hidden
    q_network = nn.Sequential(*modules, nn.Linear(width, random.randint(1, 18))).eval()
    _randomise(q_network, generator)
    return q_network, shape


def _shape_after(modules: list[nn.Module], shape: tuple[int, ...]) -> tuple[int, ...]:
    with torch.no_grad():
        return tuple(nn.Sequential(*modules).eval()(torch.zeros(1, *shape)).shape[1:])


def _block(random: Random, shape: tuple[int, ...]) -> list[nn.Module]:
    """Perhaps a pooling, a padding; a convolution; perhaps a batch norm; a ReLU; perhaps a pooling."""
    block: list[nn.Module] = []
    if random.random() < 0.2:
        block.append(_pooling(random, _shape_after(block, shape)))
    if random.random() < 0.2:
        left, right, top, bottom = (random.randint(0, 2) for _ in range(4))
        block.append(nn.ZeroPad2d((left, right, top, bottom)))
    block.append(_convolution(random, _shape_after(block, shape)))
    if random.random() < 0.2:
        block.append(nn.BatchNorm2d(_shape_after(block, shape)[0]))
    block.append(nn.ReLU())
    if random.random() < 0.3:
        block.append(_pooling(random, _shape_after(block, shape)))
    return block


def _convolution(random: Random, shape: tuple[int, ...]) -> nn.Conv2d:
    channels, *size = shape
    axes = [_axis(random, length) for length in size]
    kernel, stride, padding, dilation = ((x, y) for x, y in zip(*axes, strict=True))
    groups = random.choice([1, 1, *(n for n in range(2, channels + 1) if channels % n == 0)])
    outputs = groups * random.choice([n for n in CHANNELS if n * groups <= 130])
    bias = random.random() < 0.7
    return nn.Conv2d(channels, outputs, kernel, stride, padding, dilation, groups, bias)


def _axis(random: Random, length: int) -> tuple[int, int, int, int]:
    """Kernel, stride, padding and dilation along one axis."""
    padding, dilation = random.choice((0, 0, 1, 2)), random.choice((1, 1, 2, 3))
    kernel = random.randint(1, min(5, (length + 2 * padding - 1) // dilation + 1))
    return kernel, random.randint(1, 3), padding, dilation


def _pooling(random: Random, shape: tuple[int, ...]) -> nn.AvgPool2d:
    height, width = (random.randint(1, min(3, length)) for length in shape[1:])
    stride = random.randint(1, 3), random.randint(1, 3)
    return nn.AvgPool2d(
        (height, width), stride, (random.randint(0, height // 2), random.randint(0, width // 2))
    )


def _randomise(q_network: nn.Module, generator: torch.Generator) -> None:
    for name, value in q_network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0, generator=generator)
        elif value.is_floating_point():
            value.normal_(generator=generator)
