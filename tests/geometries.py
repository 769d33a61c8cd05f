"""Small random Q-networks and spiking plans, for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from hypothesis import reject
from hypothesis import strategies as st
from torch import Tensor, nn

from dqn2snn.errors import CalibrationError, PlanError
from dqn2snn.plan import Reset, SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import diehl2015
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate


@dataclass(frozen=True)
class Case:
    """A network, observations for it, and how many steps to simulate them."""

    q_network: nn.Sequential
    observations: Tensor
    num_steps: int

    @property
    def graph(self) -> LayerGraph:
        """The traced network."""
        return trace(self.q_network, tuple(self.observations.shape[1:]))


@st.composite
def q_networks(draw: st.DrawFn) -> tuple[nn.Sequential, tuple[int, ...]]:
    """A Q-network in eval mode and the shape of its observations."""
    if draw(st.booleans()):
        shape: tuple[int, ...] = draw(st.tuples(st.integers(1, 4), st.integers(5, 8), st.integers(5, 8)))
        modules = draw(image_layers(shape))
    else:
        shape, modules = (draw(st.integers(1, 8)),), []
    width = nn.Sequential(*modules).eval()(torch.zeros(1, *shape)).numel()
    for hidden in draw(st.lists(st.integers(1, 12), min_size=0 if modules else 1, max_size=2)):
        modules.append(nn.Linear(width, hidden, bias=draw(st.booleans())))
        if draw(st.booleans()):
            modules.append(nn.BatchNorm1d(hidden))
        modules.append(nn.ReLU())
        width = hidden
    head = nn.Linear(width, draw(st.integers(1, 4)))
    return nn.Sequential(*modules, head).eval(), shape


@st.composite
def image_layers(draw: st.DrawFn, shape: tuple[int, ...]) -> list[nn.Module]:
    """One or two blocks of convolutions, flattened."""
    modules: list[nn.Module] = [nn.BatchNorm2d(shape[0])] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 2))):
        _, channels, *size = nn.Sequential(*modules).eval()(torch.zeros(1, *shape)).shape
        modules += draw(convolution(channels, min(size)))
    return [*modules, nn.Flatten()]


@st.composite
def convolution(draw: st.DrawFn, channels: int, size: int) -> list[nn.Module]:
    """A convolution that fits an image of `size`, perhaps normalised, a ReLU, perhaps a pooling."""
    padding = draw(st.integers(0, 1))
    kernel = draw(st.integers(1, min(3, size + 2 * padding)))
    dilation = draw(st.integers(1, 2)) if 2 * (kernel - 1) < size + 2 * padding else 1
    groups = draw(st.sampled_from([1, channels]))
    outputs, stride = groups * draw(st.integers(1, 4)), draw(st.integers(1, 2))
    block: list[nn.Module] = [
        nn.Conv2d(channels, outputs, kernel, stride, padding, dilation, groups, bias=draw(st.booleans()))
    ]
    if draw(st.booleans()):
        block.append(nn.BatchNorm2d(outputs))
    block.append(nn.ReLU())
    left = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if left >= 2 and draw(st.booleans()):
        block.append(nn.AvgPool2d(2, draw(st.integers(1, 2)), draw(st.integers(0, 1))))
    return block


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A network with random weights and statistics, and random observations."""
    q_network, shape = draw(q_networks())
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    for name, value in q_network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0, generator=generator)
        elif value.is_floating_point():
            value.normal_(generator=generator)
    scale = draw(st.sampled_from([0.1, 1.0, 255.0]))
    observations = scale * torch.randn(64, *shape, generator=generator)
    return Case(q_network, observations, draw(st.integers(1, 40)))


@dataclass(frozen=True)
class RandomNeurons:
    """Thresholds in [0.25, 1.25] and initial membranes in [-0.5, 1) thresholds, one of each for every channel.

    With `ties` they are multiples of 1/4, so that membranes meet thresholds again and again.
    """

    reset: Reset
    ties: bool = False
    seed: int = 0

    def of(self, plan: SpikingPlan) -> list[SpikingLayer]:
        """The layers of a plan with other neurons."""
        generator = torch.Generator().manual_seed(self.seed)
        return [self._layer(layer, generator) for layer in plan.all_layers]

    def _layer(self, layer: SpikingLayer, generator: torch.Generator) -> SpikingLayer:
        uniform = torch.rand(2, layer.shape[0], generator=generator, dtype=torch.float64)
        threshold = 0.25 + uniform[0]
        v_init = (1.5 * uniform[1] - 0.5) * threshold
        if self.ties:
            threshold, v_init = torch.ceil(4 * threshold) / 4, torch.floor(4 * v_init) / 4
        return replace(layer, threshold=threshold, v_init=v_init, reset=self.reset)


@st.composite
def plans(draw: st.DrawFn, grid: int | str | None = "auto") -> tuple[SpikingPlan, Tensor]:
    """A plan whose channels have thresholds and initial membranes of their own, and observations for it."""
    case = draw(cases())
    stats = calibrate(case.graph, case.observations)
    reset: Reset = draw(st.sampled_from(["subtract", "zero"]))
    neurons = RandomNeurons(reset, ties=draw(st.booleans()), seed=draw(st.integers(0, 2**32 - 1)))
    try:
        raw = diehl2015(case.graph, stats, num_steps=case.num_steps, grid=None)
        first, *others = neurons.of(raw)
        *layers, output = (replace(first, v_init=first.v_init.clamp(min=0)), *others)
        plan = replace(raw, layers=tuple(layers), output=output)
        plan = plan if grid is None else on_grid(plan, grid, stats.observation_magnitude)
    except (CalibrationError, PlanError):
        reject()  # a layer is dead on these observations, or Q-values are below zero but for a tiny one
    return plan, case.observations[: draw(st.integers(1, 6))]
