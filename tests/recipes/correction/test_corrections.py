"""What every correction must keep, what each promises, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

import dqn2snn
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import ArgumentError, CalibrationError, PlanError
from dqn2snn.metrics import regret
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import rate, ttfs
from dqn2snn.recipes.correction import ftbc, hard_reset, light, potential, ridge, ridge_all
from dqn2snn.recipes.correction._rates import mean_error, responses
from dqn2snn.recipes.correction._scales import scales_of
from dqn2snn.recipes.correction._weights import decision_weights
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.agents import agent
from tests.geometries import Case, cases
from tests.recipes.correction.subjects import RECIPES, graph, observations, plan

KINDS = ("dense", "image")

Correction = Callable[..., SpikingPlan]
CORRECTIONS: dict[str, Correction] = {
    "light": light,
    "potential": potential,
    "ftbc": ftbc,
    "ridge": ridge,
    "ridge_all": ridge_all,
}
"""Those of every recipe; hard resets are for some only."""


def numbers(made: SpikingPlan) -> list[Tensor]:
    """Copies of all tensors of a plan."""
    return [
        values.clone()
        for layer in made.all_layers
        for values in (layer.affine.weight, layer.affine.bias, layer.threshold, layer.v_init, layer.step_bias)
        if values is not None
    ]


def changed(before: SpikingPlan, after: SpikingPlan) -> list[set[str]]:
    """Which fields of each layer are others."""
    fields = ("weight", "bias", "v_init", "threshold", "step_bias")
    return [
        {name for name in fields if not same(*(value_of(layer, name) for layer in pair))}
        for pair in zip(before.all_layers, after.all_layers, strict=True)
    ]


def value_of(layer: dqn2snn.plan.SpikingLayer, name: str) -> Tensor | None:
    found: Tensor | None = getattr(layer.affine if name in ("weight", "bias") else layer, name)
    return found


def same(a: Tensor | None, b: Tensor | None) -> bool:
    return a is b if a is None or b is None else torch.equal(a, b)


def error_of(made: SpikingPlan, recipe: SpikingPlan, kind: str, layer: int) -> Tensor:
    """What the channels of a layer fall short of on average; the recipe's plan knows what its spikes stand for."""
    scale = scales_of(recipe, graph(kind))[layer]
    error = mean_error(made, graph(kind), observations(kind), layer, scale)
    return error.reshape(len(error), -1).mean(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_correction_keeps_the_plan_it_is_given_and_what_it_is(name: str, recipe: str, kind: str) -> None:
    before = plan(recipe, kind)
    if (name, before.coding.name) == ("ftbc", "delta"):
        with pytest.raises(PlanError, match="rate coding"):
            CORRECTIONS[name](before, graph(kind), observations(kind))
        return
    copies = numbers(before)
    after = CORRECTIONS[name](before, graph(kind), observations(kind))
    assert all(map(torch.equal, numbers(before), copies))
    assert after.recipe == f"{before.recipe}+{name}"
    assert [layer.shape for layer in after.all_layers] == [layer.shape for layer in before.all_layers]
    assert (after.num_steps, after.coding, after.readout) == (before.num_steps, before.coding, before.readout)
    assert all(values.dtype == torch.float64 and bool(values.isfinite().all()) for values in numbers(after))
    again = CORRECTIONS[name](before, graph(kind), observations(kind))
    assert all(map(torch.equal, numbers(after), numbers(again)))


def test_an_option_of_a_correction_is_in_the_recipe() -> None:
    made = ridge(plan("rate", "dense"), graph("dense"), observations("dense"), strength=1e-3)
    assert made.recipe == "rate+ridge:strength=0.001"


def test_hard_reset_takes_single_unsigned_spikes_only() -> None:
    made = hard_reset(plan("tan2021", "dense"), graph("dense"), observations("dense"))
    assert made.recipe == "tan2021+hard_reset"
    assert {layer.reset for layer in made.layers} == {"zero"}
    with pytest.raises(PlanError, match="one spike a step"):
        hard_reset(plan("rate", "dense"), graph("dense"), observations("dense"))


MOVES = {
    "light": [{"bias"}, {"bias"}, set()],
    "potential": [{"v_init"}, {"v_init"}, set()],
    "ftbc": [set(), {"step_bias"}, set()],
    "ridge": [set(), set(), {"weight", "bias"}],
    "ridge_all": [set(), {"weight", "bias"}, {"weight", "bias"}],
}


@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_correction_changes_what_it_says(name: str) -> None:
    before = plan("rate", "dense")
    given = {"strength": 1e-3} if "ridge" in name else {}
    after = CORRECTIONS[name](before, graph("dense"), observations("dense"), **given)
    assert changed(before, after) == MOVES[name]


@pytest.mark.parametrize("recipe", ["rate", "burst", "sigma_delta"])
@pytest.mark.parametrize("name", CORRECTIONS)
def test_what_is_corrected_fits_a_grid_and_runs_exactly(name: str, recipe: str) -> None:
    before = plan(recipe, "image")
    if name == "ftbc" and before.coding.once:
        pytest.skip("ftbc refuses delta coding")
    corrected = CORRECTIONS[name](before, graph("image"), observations("image"))
    placed, x = on_grid(corrected, "auto", 1.0), observations("image", seed=3, count=20)
    with torch.no_grad():
        fast, exact = (
            simulate(placed, x, placed.num_steps) for simulate in (simulate_layerwise, simulate_reference)
        )
    for counts, expected in zip(fast.counts, exact.counts, strict=True):
        assert torch.equal(counts.double(), expected)


@settings(max_examples=10)
@given(cases(), st.sampled_from(["light", "potential", "ridge", "ridge_all"]))
def test_corrections_take_networks_of_any_shape(case: Case, name: str) -> None:
    try:
        stats = calibrate(case.graph, case.observations, (99.9,))
        made = rate(case.graph, stats, num_steps=4, threshold="max", grid=None)
    except CalibrationError:  # a layer that never fires
        reject()
    corrected = CORRECTIONS[name](made, case.graph, case.observations)
    with torch.no_grad():
        assert bool(simulate_reference(corrected, case.observations, 4).q.isfinite().all())


def test_light_leaves_no_mean_error_where_rates_follow_their_biases() -> None:
    before = plan("tan2021", "dense", 64)
    after = light(before, graph("dense"), observations("dense"), rounds=4)
    for layer, z in enumerate(list(graph("dense").pre_activations(observations("dense").double()))[:-1]):
        on = (z > 0).all(0)
        was, left = (error_of(made, before, "dense", layer)[on].abs().max() for made in (before, after))
        assert on.any()
        assert float(left) < float(was) / 10


@pytest.mark.parametrize("correct", [light, partial(potential, per="channel"), potential])
@pytest.mark.parametrize("recipe", ["tan2021", "rate"])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_errors_shrink(correct: Correction, recipe: str, kind: str) -> None:
    before = plan(recipe, kind)
    after = correct(before, graph(kind), observations(kind))
    for layer in range(len(before.layers)):
        was, left = (error_of(made, before, kind, layer).abs().mean() for made in (before, after))
        assert left < was


def test_potentials_stay_below_the_first_threshold() -> None:
    after = potential(plan("tan2021", "image", 2), graph("image"), observations("image"))
    first = after.layers[0]
    assert first.v_init.shape == first.shape
    assert bool(((first.v_init >= 0) & (first.v_init < first.threshold)).all())
    assert float(after.layers[1].v_init.abs().max()) > 0


def test_potentials_of_channels_are_fewer_numbers() -> None:
    after = potential(plan("rate", "image"), graph("image"), observations("image"), per="channel")
    assert [layer.v_init.shape for layer in after.layers] == [(6,), (4,), (16,)]


@pytest.mark.parametrize("kind", KINDS)
def test_ftbc_brings_spikes_closer_to_what_is_due(kind: str) -> None:
    before = plan("rate_if", kind, 6)
    after = ftbc(before, graph(kind), observations(kind))
    for layer in range(1, len(before.layers)):
        was, left = (error_of(made, before, kind, layer).abs().mean() for made in (before, after))
        assert left < was


@pytest.mark.parametrize("recipe", ["rate", "burst", "sigma_delta"])
@pytest.mark.parametrize("near_ties", [True, False])
def test_ridge_leaves_nothing_that_a_readout_could_still_explain(recipe: str, near_ties: bool) -> None:
    x, made = observations("dense"), plan(recipe, "dense")
    after = ridge(made, graph("dense"), x, strength=0.0, near_ties=near_ties)
    steps = after.num_steps + after.warmup_steps
    with torch.no_grad():
        residual = graph("dense")(x.double()) - simulate_reference(after, x, steps).q[-1]
    h = torch.cat(
        [part.rates.double() for part in responses(after, graph("dense"), x, len(after.layers) - 1)]
    )
    weight = decision_weights(graph("dense"), x) if near_ties else torch.ones(len(x), dtype=torch.float64)
    inputs = torch.cat([h, torch.ones(len(h), 1, dtype=torch.float64)], 1)
    gradient = (inputs * weight[:, None]).T @ residual / weight.sum()
    assert float(gradient.abs().max()) < 1e-5 * float(inputs.abs().max())


@pytest.mark.parametrize("name", ["acrobot", "cartpole", "lunarlander", "minatar-breakout"])
@pytest.mark.parametrize("correction", ["ridge", "ridge_all"])
def test_real_agents_lose_less_on_states_of_other_episodes(name: str, correction: str) -> None:
    trained = agent(name)
    seen, fresh = (
        dqn2snn.collect_observations(trained, 1000, seed=seed, max_episode_steps=300, progress=False)
        for seed in (0, 10_000)
    )
    network_graph = trace(trained, tuple(seen.shape[1:]))
    made = rate(network_graph, calibrate(network_graph, seen), num_steps=4, grid=None)
    corrected = CORRECTIONS[correction](made, network_graph, seen)
    with torch.no_grad():
        q = trained(fresh)
        before, after = (regret(q, simulate_layerwise(each, fresh, 4).q[-1]) for each in (made, corrected))
    assert after < 0.8 * before


def test_the_nearest_decisions_count_most() -> None:
    weights = decision_weights(graph("dense"), observations("dense"))
    gap = graph("dense")(observations("dense").double()).topk(2, dim=1).values.diff(dim=1).abs()[:, 0]
    assert torch.equal(weights.argsort(descending=True), gap.float().argsort()) or float(weights.max()) <= 1
    assert float(weights[gap.argmin()]) == pytest.approx(float(weights.max()))


def test_latency_coding_needs_none() -> None:
    stats = calibrate(graph("dense"), observations("dense"))
    with pytest.raises(PlanError, match="latency"):
        ridge(ttfs(graph("dense"), stats, grid=None), graph("dense"), observations("dense"))


@pytest.mark.parametrize("name", CORRECTIONS)
def test_observations_are_needed(name: str) -> None:
    with pytest.raises(CalibrationError, match="Found none"):
        CORRECTIONS[name](plan("rate", "dense"), graph("dense"), torch.zeros(0, 5))


@pytest.mark.parametrize(
    ("correct", "found"),
    [
        (partial(light, rounds=0), "rounds"),
        (partial(potential, per="layer"), "per"),  # type: ignore[arg-type]
        (partial(ftbc, alpha=0.0), "alpha"),
        (partial(ridge, strength=-1e-3), "strength"),
        (partial(ridge_all, strength=-1e-3), "strength"),
    ],
)
def test_options_out_of_range_are_refused(correct: Correction, found: str) -> None:
    with pytest.raises(ArgumentError, match=found):
        correct(plan("rate", "dense"), graph("dense"), observations("dense"))


def test_corrections_compose_and_say_so() -> None:
    made = plan("rate", "image")
    for name in ("ftbc", "potential", "ridge_all"):
        made = CORRECTIONS[name](made, graph("image"), observations("image"))
    assert made.recipe == "rate+ftbc+potential+ridge_all"
    with torch.no_grad():
        assert bool(simulate_reference(made, observations("image")[:5], 8).q.isfinite().all())
