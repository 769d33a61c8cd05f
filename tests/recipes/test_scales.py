"""What the recipes share and what tells them apart: scales, head, limit of many steps, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import dqn2snn
from dqn2snn.engine import simulate_reference
from dqn2snn.errors import ArgumentError, CalibrationError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import diehl2015, entry_named, names_of, rueckauer2017, tan2021
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import ActivationStats, calibrate
from tests.agents import NAMES, agent, observations
from tests.geometries import Case, cases

Rule = Callable[..., SpikingPlan]
RULES: dict[str, Rule] = {name: entry_named(name, "rule").function for name in names_of("rule")}
LAYERWISE = {name: RULES[name] for name in ("tan2021", "diehl2015", "rueckauer2017", "deng2021", "bu2022")}
"""Recipes with one threshold for a layer."""

STEPWISE = {name: recipe for name, recipe in RULES.items() if name != "ttfs"}
"""Recipes that the step loop of all layers at once simulates."""


def calibrated(network: nn.Module, seen: Tensor, *percentiles: float) -> tuple[LayerGraph, ActivationStats]:
    graph = trace(network, tuple(seen.shape[1:]))
    return graph, calibrate(graph, seen, percentiles or (99.9,))


def random_network(*widths: int, seed: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = []
    for i in range(len(widths) - 1):
        modules += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
    network = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.5, generator=generator)
    return network


def seen_by(network: nn.Sequential, count: int = 200) -> Tensor:
    return torch.randn(count, network[0].in_features, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_diehl_takes_the_largest_activation_and_rueckauer_a_percentile_of_them(name: str) -> None:
    graph, stats = calibrated(agent(name), observations(name))
    with torch.no_grad():
        z = [pre.double() for pre in graph.cast(torch.float32).pre_activations(observations(name).float())]
    largest = [float(pre.relu().max()) for pre in z]
    robust = [float(torch.quantile(pre.relu().flatten()[:16_000_000], 0.999)) for pre in z]
    diehl, rueckauer = diehl2015(graph, stats, grid=None), rueckauer2017(graph, stats, grid=None)
    assert list(diehl.report["scales"].values())[:-1] == pytest.approx(largest[:-1], rel=1e-6)
    assert list(rueckauer.report["scales"].values())[:-1] == pytest.approx(robust[:-1], rel=1e-6)
    assert "Diehl" in diehl.reference
    assert "Rueckauer" in rueckauer.reference


def test_rueckauer_is_tan_where_the_percentile_is_active_and_not_below() -> None:
    """Interpolation between a negative and a positive rank is where the ReLU matters."""
    network = random_network(1, 1, 1)
    with torch.no_grad():
        network[0].weight.fill_(1)
        network[0].bias.zero_()
    seen = torch.tensor([[-4.0], [-3.0], [-2.0], [8.0]])
    graph, stats = calibrated(network, seen, 75.0, 90.0)
    assert stats.percentile(0, 75.0) == 0.5
    assert stats.percentile(0, 75.0, of="activation") == 2.0
    scales = [
        next(iter(recipe(graph, stats, percentile=75.0, grid=None).report["scales"].values()))
        for recipe in (tan2021, rueckauer2017)
    ]
    assert scales == [0.5, 2.0]


@pytest.mark.parametrize("recipe", RULES.values(), ids=RULES)
def test_the_report_says_how_the_plan_came_about(recipe: Rule) -> None:
    graph, stats = calibrated(random_network(3, 8, 2), seen_by(random_network(3, 8, 2)))
    plan = recipe(graph, stats, num_steps=32)
    assert plan.report["observations"] == 200
    if recipe in LAYERWISE.values():
        assert plan.report["percentile"] == (99.9 if recipe in (tan2021, rueckauer2017) else 100.0)
    spikes = {"burst": 8, "sigma_delta": 32}.get(plan.recipe, 1)
    assert plan.report["scales"]["2"] == plan.readout_scale * spikes
    assert RULES[plan.recipe] is recipe
    assert any(year in plan.reference for year in ("2015", "2017", "2021", "2022", "2023", "2024", "2026"))
    assert plan.recipe in plan.summary()


# The head


@pytest.mark.parametrize("recipe", STEPWISE.values(), ids=STEPWISE)
@pytest.mark.parametrize("grid", ["auto", None])
def test_negative_q_values_keep_their_sign_and_order(recipe: Rule, grid: str | None) -> None:
    """The original code divides by the percentile, here negative, which turns best into worst."""
    network = random_network(3, 16, 4)
    with torch.no_grad():
        network[-1].bias.sub_(50)
    seen = seen_by(network)
    graph, stats = calibrated(network, seen)
    assert stats.percentile(-1, 99.9) < 0
    num_steps = 32 if recipe is RULES["digits"] else 400  # it has no use for more
    plan = recipe(graph, stats, num_steps=num_steps, grid=grid)
    assert plan.readout_scale > 0
    record = simulate_reference(plan, seen, num_steps)
    q = network(seen).detach()
    assert bool((record.q[-1] < 0).all())
    assert int((record.q[-1].argmax(1) == q.argmax(1)).sum()) > 190
    assert record.q_spike is None or bool((record.q_spike == 0).all())


@given(st.floats(-3, 3), st.integers(0, 2**16))
@settings(max_examples=25)
def test_the_robust_readout_does_not_depend_on_where_q_values_lie(offset: float, seed: int) -> None:
    """Nor does a grid exist for some offsets only: a percentile may be tiny and positive by chance."""
    network = random_network(3, 16, 4, seed=seed)
    seen = seen_by(network)
    graph, stats = calibrated(network, seen, 99.0)
    with torch.no_grad():
        network[-1].bias.sub_(stats.percentile(-1, 99.0) - 10.0 ** -abs(2 * offset))
    graph, stats = calibrated(network, seen, 99.0)
    plan = tan2021(graph, stats, num_steps=300, percentile=99.0)
    raw = tan2021(graph, stats, num_steps=300, percentile=99.0, grid=None)
    assert stats.percentile(-1, 99.0) > 0
    on_grid, exact = (simulate_reference(each, seen, 300).q[-1] for each in (plan, raw))
    spread = float(exact.abs().max())
    assert float((on_grid - exact).abs().mean()) < 0.01 * spread


@pytest.mark.parametrize("recipe", STEPWISE.values(), ids=STEPWISE)
def test_a_head_that_is_zero_gives_zeros(recipe: Rule) -> None:
    network = random_network(3, 16, 4)
    with torch.no_grad():
        network[-1].weight.zero_()
        network[-1].bias.zero_()
    graph, stats = calibrated(network, seen_by(network))
    plan = recipe(graph, stats, num_steps=50)
    assert plan.report["scales"]["2"] == 1.0
    assert bool((simulate_reference(plan, seen_by(network), 50).q == 0).all())


# The limit of many steps


@given(cases())
@settings(max_examples=25)
def test_the_error_obeys_the_conservation_law(case: Case) -> None:
    """One hidden layer, nothing clipped: every rate is within one spike of its activation.

    A constant current I in [0, 1] gives N = floor(T I) spikes, so |N / T - I| < 1 / T, and through the head
    |Q_snn - Q_dqn| <= lambda_1 / T * sum_i |W_ji|.
    """
    graph = case.graph
    assume(len(graph.layers) == 1)
    stats = calibrate(graph, case.observations)
    assume(float(stats.layers[0].maximum.max()) > 0)
    plan = diehl2015(graph, stats, num_steps=case.num_steps, grid=None)
    record = simulate_reference(plan, case.observations, case.num_steps)
    expected = graph(case.observations.double())
    ones = torch.ones(1, *graph.head.in_shape, dtype=torch.float64)
    magnitude = graph.head.with_parameters(graph.head.weight.abs(), 0 * graph.head.bias)(ones)
    largest = plan.report["scales"][graph.layers[0].name]
    steps = torch.arange(1, case.num_steps + 1, dtype=torch.float64).reshape(-1, 1, 1)
    rounding = 1e-6 * float(expected.abs().max() + largest * magnitude.max())  # the scale is that of float32
    assert bool(((record.q - expected).abs() <= largest * magnitude / steps + rounding).all())


@pytest.mark.parametrize("name", ["cartpole", "minatar-breakout"])
def test_q_values_come_in_the_units_of_the_network(name: str) -> None:
    seen = observations(name)[:64]
    snn = dqn2snn.convert(agent(name), observations(name), recipe="diehl2015", num_steps=2000)
    expected = agent(name)(seen)
    error = (snn.record(seen).q[[9, 99, 1999]] - expected).abs().mean((1, 2)) / expected.abs().mean()
    assert error[2] < min(error[0], 0.01)


def clipped(graph: LayerGraph, scales: list[float], seen: Tensor) -> Tensor:
    """The network with every activation clipped at its scale, which is what firing rates can say."""
    x = seen.double()
    for layer, scale in zip(graph.layers, scales, strict=False):
        x = layer(x).clamp(0, scale)
    return graph.head(x)


def test_many_steps_lead_to_the_clipped_network() -> None:
    network = random_network(4, 12, 12, 3)
    seen = seen_by(network)
    graph, stats = calibrated(network, seen, 95.0)
    errors = []
    for num_steps in (100, 1000, 10_000):
        plan = tan2021(graph, stats, num_steps=num_steps, percentile=95.0, grid=None)
        target = clipped(graph, list(plan.report["scales"].values()), seen)
        errors.append(float((simulate_reference(plan, seen, num_steps).q[-1] - target).abs().max()))
    unclipped = graph(seen.double())
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert float((target - unclipped).abs().max()) > 100 * errors[2]  # clipping does not average out


@pytest.mark.parametrize("recipe", STEPWISE.values(), ids=STEPWISE)
def test_scaling_the_weights_of_the_network_scales_the_q_values(recipe: Rule) -> None:
    """ReLU networks are positively homogeneous, and so is every recipe."""
    network = random_network(3, 16, 4)
    seen = seen_by(network)
    graph, stats = calibrated(network, seen)
    first = simulate_reference(recipe(graph, stats, num_steps=50, grid=None), seen, 50)
    with torch.no_grad():
        for parameter in network[-1].parameters():
            parameter.mul_(8)  # a power of two: no rounding
    graph, stats = calibrated(network, seen)
    second = simulate_reference(recipe(graph, stats, num_steps=50, grid=None), seen, 50)
    assert torch.equal(second.q, 8 * first.q)
    assert all(torch.equal(a, b) for a, b in zip(first.counts, second.counts, strict=True))


# Refusals


@pytest.mark.parametrize("recipe", RULES.values(), ids=RULES)
@pytest.mark.parametrize("num_steps", [0, -1, 1.5, True, "8", None])
def test_steps_are_a_positive_whole_number(recipe: Rule, num_steps: Any) -> None:
    graph, stats = calibrated(random_network(3, 8, 2), seen_by(random_network(3, 8, 2)))
    with pytest.raises(PlanError, match=r"positive whole number of steps\. Found num_steps="):
        recipe(graph, stats, num_steps=num_steps)


@pytest.mark.parametrize("recipe", RULES.values(), ids=RULES)
def test_a_layer_that_never_fires_is_refused_by_name(recipe: Rule) -> None:
    network = random_network(3, 8, 8, 2)
    with torch.no_grad():
        network[2].bias.fill_(-1e3)
    graph, stats = calibrated(network, seen_by(network))
    with pytest.raises(CalibrationError, match=r"layer '2' never fires on these 200: its largest .* dead"):
        recipe(graph, stats)


@pytest.mark.parametrize("recipe", [tan2021, rueckauer2017])
def test_a_layer_that_is_active_too_seldom_is_refused_with_a_percentile_that_works(recipe: Rule) -> None:
    network = random_network(1, 1, 1)
    with torch.no_grad():
        network[0].weight.fill_(1)
        network[0].bias.zero_()
    seen = torch.full((100, 1), -1.0)
    seen[:3] = 2.0
    graph, stats = calibrated(network, seen, 90.0, 97.5)
    with pytest.raises(
        CalibrationError, match=r"layer '0'\. Found .* 3\.00% .* Use a percentile above 97\."
    ) as caught:
        recipe(graph, stats, percentile=90.0)
    assert "at percentile 90" in str(caught.value)
    assert isinstance(recipe(graph, stats, percentile=97.5), SpikingPlan)


@pytest.mark.parametrize("recipe", [tan2021, rueckauer2017])
@pytest.mark.parametrize("percentile", [0, -5, 101, 0.999, float("nan")])
def test_percentiles_out_of_range_are_refused(recipe: Rule, percentile: float) -> None:
    graph, stats = calibrated(random_network(3, 8, 2), seen_by(random_network(3, 8, 2)))
    with pytest.raises(ArgumentError, match=r"Expected a percentile in \(1, 100\]"):
        recipe(graph, stats, percentile=percentile)


@pytest.mark.parametrize("recipe", [tan2021, rueckauer2017])
def test_a_percentile_that_was_not_taken_is_refused(recipe: Rule) -> None:
    graph, stats = calibrated(random_network(3, 8, 2), seen_by(random_network(3, 8, 2)), 99.0)
    with pytest.raises(CalibrationError, match=r"Calibrate again with percentiles=\(99\.5,\)"):
        recipe(graph, stats, percentile=99.5)
