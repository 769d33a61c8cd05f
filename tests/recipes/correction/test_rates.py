"""Responses of the last hidden layer are what the readout makes Q-values of."""

from __future__ import annotations

import pytest
import torch

from dqn2snn.engine import simulate_reference
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.correction import ftbc
from dqn2snn.recipes.correction._rates import responses
from dqn2snn.recipes.correction._refit import step_current
from dqn2snn.recipes.correction._spikes import mean_spikes
from tests.recipes.correction.subjects import RECIPES, graph, observations, plan


def assert_q_is_linear_in_the_responses(made: SpikingPlan, kind: str) -> None:
    x = observations(kind, seed=1, count=40)
    (part,) = responses(made, graph(kind), x, len(made.layers) - 1)
    output = made.output
    charge = output.affine(part.rates.double()) + step_current(made, output)
    if made.coding.persistent:
        charge = charge + output.v_init
    steps = made.num_steps + made.warmup_steps
    expected = simulate_reference(made, x, steps).q[-1]
    torch.testing.assert_close(made.readout_scale * charge, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "image"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_q_values_are_the_readout_of_the_responses(recipe: str, kind: str) -> None:
    assert_q_is_linear_in_the_responses(plan(recipe, kind), kind)


@pytest.mark.parametrize("recipe", ["rate", "rate by its mean"])
def test_step_biases_are_part_of_it(recipe: str) -> None:
    assert_q_is_linear_in_the_responses(
        ftbc(plan(recipe, "image"), graph("image"), observations("image")), "image"
    )


def test_the_weights_of_steps_are_those_of_the_slope() -> None:
    made = plan("rate", "dense", 5)
    charge = torch.eye(5, dtype=torch.float64).cumsum(1)  # a spike at one step each
    steps = torch.arange(1, 6, dtype=torch.float64)
    torch.testing.assert_close(made.coding.worth(made), charge @ steps / (steps @ steps))
    assert float(made.coding.worth(made).sum()) == pytest.approx(1.0)


def test_batches_come_in_order_and_the_layer_as_asked_for() -> None:
    x, made = observations("dense", seed=2, count=600), plan("rate", "dense")
    parts = list(responses(made, graph("dense"), x, 0))
    assert [len(part.rates) for part in parts] == [256, 256, 88]
    torch.testing.assert_close(torch.cat([part.rates for part in parts]), mean_spikes(made, x, [0])[0])
    q = torch.cat([part.preactivations[-1] for part in parts])
    torch.testing.assert_close(q.double(), graph("dense")(x.double()), rtol=1e-5, atol=1e-5)
