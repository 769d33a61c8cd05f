"""Neurons that grow or leak: the equation, the bound of their membranes, and what their fields refuse."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.dynamics.neuron import if_step, initial_state
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.membranes import largest_membrane, membrane_bounds, reach_of
from dqn2snn.plan.ops import Dense

BETAS = (1.25, 1.5, 2.0, 3.0, 4.0, 8.0)
BITS = 10


def layer_of(weight: Tensor, **fields: object) -> SpikingLayer:
    outputs, inputs = weight.shape
    affine = AffineLayer(
        "fc", (Dense(weight),), torch.zeros(outputs, dtype=torch.float64), (inputs,), (outputs,)
    )
    one = torch.ones((), dtype=torch.float64)
    made = SpikingLayer(affine, threshold=one, v_init=one / 2, fraction_bits=BITS, weight_bits=BITS)
    return replace(made, **fields)  # type: ignore[arg-type]


def run(layer: SpikingLayer, spikes: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and membranes of each step, given the spikes that come in, `[T, B, inputs]`."""
    state, fired, membranes = initial_state(layer, spikes.shape[1]), [], []
    for step, arriving in enumerate(spikes):
        sent, state = if_step(layer.affine(arriving), state, layer, step)
        fired.append(sent)
        membranes.append(state.membrane)
    return torch.stack(fired), torch.stack(membranes)


@given(st.sampled_from(BETAS), st.integers(1, 15), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_a_membrane_that_is_held_at_its_reach_fires_as_one_that_runs_away(
    beta: float, k: int, delay: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-900, 900, (4, 6), generator=generator).double() * 2.0**-BITS
    before = layer_of(torch.eye(6, dtype=torch.float64), max_spikes=k, signed=True, beta=beta)
    free = layer_of(weight, max_spikes=k, signed=True, beta=beta, delay=delay, duration=10)
    held = replace(free, reach=reach_of(free, before))
    # Most of the current early, as digits have it, and then anything that the neurons before may send.
    spikes = torch.randint(-k, k + 1, (20, 64, 6), generator=generator).double()
    fired, membranes = run(held, spikes)
    assert torch.equal(fired, run(free, spikes)[0])
    assert float(membranes.abs().max()) <= largest_membrane(held, before, 20)


def test_the_reach_is_not_larger_than_it_needs_to_be() -> None:
    before = layer_of(torch.eye(1, dtype=torch.float64), max_spikes=1, signed=True, beta=2.0)
    free = layer_of(torch.full((1, 1), 4.0, dtype=torch.float64), max_spikes=1, signed=True, beta=2.0)
    short = replace(free, reach=reach_of(free, before) / 4)
    spikes = torch.ones(8, 1, 1, dtype=torch.float64)
    spikes[3:] = -1
    assert not torch.equal(run(short, spikes)[0], run(free, spikes)[0])


@given(st.sampled_from((0.5, 230 / 256, 243 / 256)), st.integers(0, 2**32 - 1))
def test_a_leaky_membrane_stays_within_its_bound_and_on_its_grid(beta: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-900, 900, (4, 6), generator=generator).double() * 2.0**-BITS
    before = layer_of(torch.eye(6, dtype=torch.float64))
    leaky = layer_of(weight, beta=beta)
    spikes = torch.randint(0, 2, (200, 32, 6), generator=generator).double()
    _, membranes = run(leaky, spikes)
    bound = membrane_bounds(leaky, before, 200)
    assert bool((membranes.abs() <= bound).all())
    assert float(bound.max()) <= largest_membrane(replace(leaky, beta=1.0), before, 200)
    assert torch.equal(membranes * 2.0**BITS, (membranes * 2.0**BITS).round())


def test_a_digit_is_the_value_that_is_left_rounded() -> None:
    neuron = layer_of(torch.eye(1, dtype=torch.float64), max_spikes=1, signed=True, beta=2.0)
    currents = torch.zeros(8, 1, 1, dtype=torch.float64)
    currents[0] = 0.8125
    fired, _ = run(neuron, currents)
    worth = 2.0 ** -torch.arange(8, dtype=torch.float64)
    assert fired.flatten().tolist() == [1, 0, -1, 1, -1, 0, 0, 0]
    assert float(worth @ fired.flatten()) == 0.8125


@pytest.mark.parametrize("beta", [0.0, -1.0, nan, 256.0, 0.95])
def test_a_beta_that_no_grid_holds_is_refused(beta: float) -> None:
    with pytest.raises(PlanError, match="multiple of 1/256"):
        layer_of(torch.eye(1, dtype=torch.float64), beta=beta)


@pytest.mark.parametrize("field", ["delay", "duration"])
@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_steps_that_are_no_steps_are_refused(field: str, value: object) -> None:
    with pytest.raises(PlanError, match="whole steps"):
        layer_of(torch.eye(1, dtype=torch.float64), **{field: value})
