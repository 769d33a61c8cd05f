"""What is predicted from one backward pass is what simulation finds, on the shipped agents."""

from __future__ import annotations

from functools import cache, partial

import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.analysis.suggestion import Prediction, predict_agreement
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.rate_network import RateNetwork
from dqn2snn.recipes import burst, rate, rate_if, sigma_delta, tan2021, ttfs
from dqn2snn.tracing import trace
from tests.agents import NAMES, agent, observations

STEPS = (8, 16, 32, 64, 128)


@cache
def calibrated(name: str) -> tuple[dqn2snn.LayerGraph, dqn2snn.ActivationStats]:
    graph = trace(agent(name), tuple(observations(name).shape[1:]))
    return graph, dqn2snn.calibrate(graph, observations(name), (99.9, 99.99))


@cache
def q_dqn(name: str) -> Tensor:
    with torch.no_grad():
        return agent(name)(observations(name))


def measured(plan: SpikingPlan, name: str, steps: tuple[int, ...]) -> list[float]:
    with torch.no_grad():
        q = simulate_layerwise(plan, observations(name), steps[-1]).q
    return [float((q[t - 1].argmax(1) == q_dqn(name).argmax(1)).double().mean()) for t in steps]


@cache
def cells(readout: str) -> list[tuple[str, int, Prediction, float, float]]:
    """Agent, T, predicted and measured, for thresholds that are the same for every T."""
    found = []
    for name in NAMES:
        plan = rate(*calibrated(name), num_steps=STEPS[-1], threshold="max", readout=readout, grid=None)
        prediction = predict_agreement(plan, observations(name), q_dqn(name), num_steps=STEPS)
        for t, guess, seen in zip(STEPS, prediction.agreement, measured(plan, name, STEPS), strict=True):
            found.append((name, t, prediction, guess.mean, seen))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["rate", "slope"])
def test_nine_of_ten_cells_are_within_three_points(readout: str) -> None:
    off = [abs(guess - seen) for _, _, _, guess, seen in cells(readout)]
    assert len(off) == len(NAMES) * len(STEPS)
    assert sum(distance <= 0.03 for distance in off) >= 0.9 * len(off)


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["rate", "slope"])
def test_the_stated_error_is_the_error(readout: str) -> None:
    inside = [
        prediction.at(t).low <= seen <= prediction.at(t).high for _, t, prediction, _, seen in cells(readout)
    ]
    assert sum(inside) >= 0.9 * len(inside)


@pytest.mark.parametrize(
    ("recipe", "steps", "off"),
    [
        (partial(burst, threshold="max"), (2, 4, 8), 0.03),
        (partial(rate_if, threshold="max"), (16, 64), 0.05),
        (tan2021, (64, 256), 0.05),
    ],
    ids=["burst", "rate_if", "tan2021"],
)
@pytest.mark.parametrize("name", ["acrobot", "minatar-breakout"])
def test_other_recipes_are_predicted_too(
    recipe: partial[SpikingPlan], steps: tuple[int, ...], off: float, name: str
) -> None:
    plan = recipe(*calibrated(name), num_steps=steps[-1], grid=None)
    prediction = predict_agreement(plan, observations(name), q_dqn(name), num_steps=steps)
    guesses = [agreed.mean for agreed in prediction.agreement]
    assert guesses == pytest.approx(measured(plan, name, steps), abs=off)


@pytest.mark.parametrize("readout", ["rate", "slope"])
def test_a_network_with_one_hidden_layer_is_predicted_exactly(readout: str) -> None:
    # Its only currents are known: nothing is uncertain, and the head is linear.
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 40), nn.ReLU(), nn.Linear(40, 3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(400, 5, generator=generator)
    graph = trace(network, (5,))
    plan = rate(graph, dqn2snn.calibrate(graph, x), num_steps=16, readout=readout, grid=None)
    q = network(x).detach()
    prediction = predict_agreement(plan, x, q, num_steps=(2, 5, 16))
    simulated = simulate_layerwise(plan, x, 16, dtype=torch.float64).q
    same = [float((simulated[t - 1].argmax(1) == q.argmax(1)).double().mean()) for t in (2, 5, 16)]
    assert [agreed.mean for agreed in prediction.agreement] == pytest.approx(same, abs=1 / 400 + 1e-9)
    assert same[0] < 1


@pytest.mark.parametrize("recipe", [rate, burst, tan2021, sigma_delta], ids=lambda recipe: recipe.__name__)
@pytest.mark.parametrize("name", ["acrobot", "minatar-freeway"])
def test_rates_tend_to_the_network_itself(recipe: partial[SpikingPlan], name: str) -> None:
    plan = recipe(*calibrated(name), grid=None)
    *_, q = RateNetwork.of(plan, torch.float64).drives(observations(name)[:50])
    assert torch.allclose(q.float(), q_dqn(name)[:50], rtol=1e-3, atol=1e-3)


def test_between_steps_it_is_interpolated() -> None:
    plan = rate(*calibrated("acrobot"), num_steps=32, grid=None)
    prediction = predict_agreement(plan, observations("acrobot"), q_dqn("acrobot"), num_steps=(8, 32))
    low, high = (agreed.mean for agreed in prediction.agreement)
    assert prediction.at(16).mean == pytest.approx((low + high) / 2)
    assert prediction.at(4).mean == low
    assert prediction.at(100).mean == high
    assert prediction.smallest(high) == 32
    assert prediction.smallest(1.1) is None


def test_what_cannot_be_predicted_is_refused() -> None:
    graph, stats = calibrated("acrobot")
    x, q = observations("acrobot"), q_dqn("acrobot")
    plan = rate(graph, stats, grid=None)
    with pytest.raises(PlanError, match="by simulation"):
        predict_agreement(ttfs(graph, stats), x, q)
    with pytest.raises(ArgumentError, match="increasing"):
        predict_agreement(plan, x, q, num_steps=(8, 8))
    with pytest.raises(ArgumentError, match="as many rows"):
        predict_agreement(plan, x, q[:3])
