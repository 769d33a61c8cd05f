"""The pseudo-derivatives, against their equations and torch's own graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.neuron import if_step, initial_state
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.recipes.finetune._rates import clipped, counts_of, quantised
from dqn2snn.recipes.finetune._scan import pseudo_derivative, scan
from dqn2snn.recipes.finetune.surrogate import _forward
from tests.kinds import KINDS

OBSERVATIONS = torch.rand(64, 5, generator=torch.Generator().manual_seed(0))


def raw_plan(kind: str, num_steps: int = 6) -> SpikingPlan:
    network = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 3))
    made = dqn2snn.convert(network, OBSERVATIONS, recipe="tan2021", num_steps=num_steps, grid=None).plan
    return KINDS[kind](made)


def gradient(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    x = at.clone().requires_grad_(True)
    function(x).sum().backward()
    assert x.grad is not None
    return x.grad


def test_quantised_counts_are_those_of_the_paper_and_their_slope_is_one_inside_the_clip() -> None:
    scale, levels, z = 2.0, 4, torch.linspace(-1, 3, 41, dtype=torch.float64)

    def activation(x: Tensor) -> Tensor:
        return scale / levels * quantised(x * levels / scale + 0.5, levels)

    expected = scale * torch.clip(torch.floor(z * levels / scale + 0.5) / levels, 0, 1)
    torch.testing.assert_close(activation(z), expected)
    inside = (z > -scale / levels / 2) & (z < scale + scale / levels / 2)
    torch.testing.assert_close(gradient(activation, z), inside.double())


def test_given_counts_pass_the_gradient_of_the_rate_map() -> None:
    room = torch.tensor([-1.0, 0.25, 2.0, 4.25, 5.0])
    counts = torch.tensor([0.0, 1.0, 1.0, 4.0, 4.0])
    assert torch.equal(counts_of(counts)(room, 4.0), counts)
    assert gradient(lambda x: counts_of(counts)(x, 4.0), room).tolist() == [0, 0, 1, 1, 0]
    assert gradient(lambda x: clipped(x, 4.0), room).tolist() == [0, 0, 1, 1, 0]


def test_the_pseudo_derivative_of_a_single_spike_is_a_triangle() -> None:
    layer = raw_plan("half").layers[0].cast(torch.float32)
    v = layer.threshold * torch.linspace(-1, 3, 81)[:, None]
    expected = (1 - (v / layer.threshold - 1).abs()).clamp(min=0) / layer.threshold
    torch.testing.assert_close(pseudo_derivative(v, torch.zeros_like(v), layer), expected)


@pytest.mark.parametrize("kind", ["half", "signed", "burst", "signed burst", "bounded"])
def test_the_loop_by_hand_has_the_gradients_of_torchs_graph(kind: str) -> None:
    layer = raw_plan(kind).layers[1].cast(torch.float64)
    generator = torch.Generator().manual_seed(1)
    currents = torch.randn(6, 4, 10, generator=generator, dtype=torch.float64)
    weights = torch.randn(6, 4, 10, generator=generator, dtype=torch.float64)

    def by_graph(x: Tensor) -> Tensor:
        state, spikes = initial_state(layer, 4), []
        for current in x:
            v = state.membrane + current
            with torch.no_grad():
                fired, after = if_step(current, state, layer)
                slope = pseudo_derivative(v, state.count, layer)
            s = fired + slope * (v - v.detach())
            spikes.append(s)
            state = replace(after, membrane=v - s * layer.threshold)
        return torch.stack(spikes) * weights

    torch.testing.assert_close(scan(currents, layer) * weights, by_graph(currents))
    torch.testing.assert_close(
        gradient(lambda x: scan(x, layer) * weights, currents), gradient(by_graph, currents)
    )


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"carry"}))
def test_what_is_trained_through_time_is_what_the_engine_simulates(kind: str) -> None:
    made = raw_plan(kind)
    plan, steps = made.cast(torch.float64), made.settling_steps
    record = simulate_layerwise(made, OBSERVATIONS.double(), steps, dtype=torch.float64)
    said = _forward(plan, OBSERVATIONS.double())
    torch.testing.assert_close(said.q, record.q[-1])
    counts = [found * plan.coding.quanta(steps) for found in said.features]
    for mine, theirs in zip(counts, record.counts, strict=False):
        torch.testing.assert_close(mine, theirs)


def test_a_layer_takes_the_gradient_to_its_initial_membranes() -> None:
    layer: SpikingLayer = raw_plan("half").layers[1].cast(torch.float64)
    start = layer.v_init.expand(layer.shape).clone().requires_grad_(True)
    currents = torch.zeros(1, 3, *layer.shape, dtype=torch.float64)
    scan(currents, replace(layer, v_init=start)).sum().backward()
    assert start.grad is not None
    torch.testing.assert_close(start.grad, 3 * pseudo_derivative(start.detach(), 0 * start.detach(), layer))
