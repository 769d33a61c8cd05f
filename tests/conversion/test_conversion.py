"""The front door: what it takes, in which order it refuses, and what it leaves alone."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.errors import ArgumentError, CalibrationError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.file import plan_bytes
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import Recipe, names_of, placed, rate, tan2021
from dqn2snn.recipes.correction import ridge
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import ActivationStats, calibrate
from tests.agents import NAMES, agent, observations, plan
from tests.tracing.folding import randomised, snapshot


@pytest.fixture
def cartpole() -> tuple[nn.Module, Tensor]:
    return agent("cartpole"), observations("cartpole")


@pytest.mark.parametrize("name", NAMES)
def test_conversion_is_trace_calibrate_recipe(name: str) -> None:
    seen = observations(name)
    graph = trace(agent(name), tuple(seen.shape[1:]))
    by_hand = tan2021(graph, calibrate(graph, seen, (99.9,)))
    assert plan_bytes(by_hand) == plan_bytes(plan(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_left_as_it_was(name: str) -> None:
    network = agent(name)
    before = snapshot(network)
    dqn2snn.convert(network, observations(name)[:64], num_steps=8)
    assert snapshot(network) == before


@pytest.mark.parametrize("recipe", names_of("rule"))
@pytest.mark.parametrize("grid", ["auto", 10, None])
def test_every_recipe_on_every_grid_decides_like_the_network(recipe: str, grid: int | str | None) -> None:
    network, seen = agent("minatar-breakout"), observations("minatar-breakout")[:100]
    num_steps = 32 if recipe == "digits" else 256  # it has no use for more
    snn = dqn2snn.convert(network, seen, recipe=recipe, grid=grid, num_steps=num_steps)
    applied = Recipe(recipe).with_default_steps(num_steps)
    assert (snn.plan.recipe, snn.plan.on_grid) == (str(applied), grid is not None)
    agreement = (snn(seen).argmax(1) == network(seen).argmax(1)).float().mean()
    assert agreement > 0.85


SAME: dict[str, Any] = {
    "numpy": lambda x: x.numpy(),
    "read-only numpy": lambda x: np.broadcast_to(x.numpy(), x.shape),
    "list": lambda x: x.tolist(),
    "float64": lambda x: x.double(),
    "with gradient": lambda x: x.clone().requires_grad_(),
    "not contiguous": lambda x: torch.stack([x, x], dim=-1)[..., 0],
}


@pytest.mark.parametrize("form", SAME.values(), ids=SAME)
def test_observations_in_any_form_give_the_same_plan(form: Any, cartpole: tuple[nn.Module, Tensor]) -> None:
    network, seen = cartpole
    made = dqn2snn.convert(network, form(seen), recipe="tan2021").plan
    assert plan_bytes(made) == plan_bytes(plan("cartpole"))


def test_uint8_frames_convert_as_their_floats() -> None:
    network = randomised(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)))
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=generator)
    plans = [
        plan_bytes(dqn2snn.convert(network, x, num_steps=16).plan)
        for x in (frames, frames.numpy(), frames.float(), frames.long())
    ]
    assert len(set(plans)) == 1


@pytest.mark.parametrize("recipe", ["rate", "sigma_delta", "tan2021"])
def test_conversion_does_not_depend_on_torchs_defaults(
    cartpole: tuple[nn.Module, Tensor], recipe: str
) -> None:
    network, seen = cartpole
    expected = plan_bytes(dqn2snn.convert(network, seen, recipe=recipe, num_steps=8).plan)
    with torch.inference_mode():
        snn = dqn2snn.convert(network, seen, recipe=recipe, num_steps=8)
    assert plan_bytes(snn.plan) == expected
    assert not any(parameter.is_inference() for parameter in snn.network.parameters())
    with torch.no_grad(), torch.device("meta"):
        assert plan_bytes(dqn2snn.convert(network, seen, recipe=recipe, num_steps=8).plan) == expected
    torch.set_default_dtype(torch.float64)
    try:
        assert plan_bytes(dqn2snn.convert(network, seen, recipe=recipe, num_steps=8).plan) == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_conversion_draws_no_random_numbers(cartpole: tuple[nn.Module, Tensor]) -> None:
    states = torch.get_rng_state(), pickle.dumps(np.random.get_state())  # noqa: NPY002
    dqn2snn.convert(*cartpole, num_steps=16)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert pickle.dumps(np.random.get_state()) == states[1]  # noqa: NPY002


def test_a_progress_bar_on_a_terminal_after_a_while(
    cartpole: tuple[nn.Module, Tensor], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dqn2snn.convert(*cartpole, num_steps=16)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("dqn2snn._utils.progress._DELAY", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    dqn2snn.convert(*cartpole, num_steps=16, progress=False)
    assert capsys.readouterr() == ("", "")
    dqn2snn.convert(*cartpole, num_steps=16)
    assert "calibrate" in capsys.readouterr().err


# Steps


@pytest.mark.parametrize("num_steps", [0, -1, -500, True, False, 1.0, 500.0, "500", [500]])
def test_steps_that_are_no_positive_whole_number_are_refused(
    num_steps: Any, cartpole: tuple[nn.Module, Tensor]
) -> None:
    with pytest.raises(PlanError, match=r"Expected a positive whole number of steps\. Found num_steps="):
        dqn2snn.convert(*cartpole, num_steps=num_steps)


def test_steps_of_numpy_are_taken(cartpole: tuple[nn.Module, Tensor]) -> None:
    snn = dqn2snn.convert(*cartpole, num_steps=np.int32(16))  # type: ignore[arg-type]
    assert type(snn.plan.num_steps) is int
    assert snn.record(cartpole[1][:2]).num_steps == 16


@pytest.mark.parametrize(
    ("recipe", "expected"), [("rate", 32), ("burst", 8), ("sigma_delta", 4), ("tan2021", 500)]
)
def test_recipes_have_steps_of_their_own(
    recipe: str, expected: int, cartpole: tuple[nn.Module, Tensor]
) -> None:
    assert dqn2snn.convert(*cartpole, recipe=recipe).plan.num_steps == expected


def test_a_recipe_without_steps_of_its_own_asks_for_them(cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(ArgumentError, match="Expected num_steps for without_percentile"):
        dqn2snn.convert(*cartpole, recipe=Recipe(without_percentile))


def test_one_step_is_enough(cartpole: tuple[nn.Module, Tensor]) -> None:
    assert dqn2snn.convert(*cartpole, num_steps=1)(cartpole[1][:3]).shape == (3, 2)


# Recipes and percentiles


@pytest.mark.parametrize("recipe", ["tan", "Tan2021", "", None, 3, ["tan2021"]])
def test_unknown_recipes_are_refused_with_the_known(recipe: Any, cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(
        ArgumentError, match=r"Expected (a recipe out of rate, .*|the text of a recipe).* Found"
    ):
        dqn2snn.convert(*cartpole, recipe=recipe)


def test_the_percentile_reaches_the_recipe(cartpole: tuple[nn.Module, Tensor]) -> None:
    made = dqn2snn.convert(*cartpole, recipe="tan2021:percentile=99").plan
    graph = trace(cartpole[0], (4,))
    stats = calibrate(graph, cartpole[1], (99.0,))
    assert made.report["percentile"] == 99.0
    assert made.report["scales"][graph.layers[0].name] == stats.percentile(0, 99.0)


def test_the_percentile_is_the_threshold_of_recipes_that_have_one(
    cartpole: tuple[nn.Module, Tensor],
) -> None:
    graph = trace(cartpole[0], (4,))
    stats = calibrate(graph, cartpole[1], (97.0,))
    made = dqn2snn.convert(*cartpole, recipe="rate:threshold=97+none").plan
    assert made.recipe == "rate:threshold=97+none"
    expected = replace(rate(graph, stats, threshold=97.0), recipe=made.recipe)
    assert plan_bytes(made) == plan_bytes(expected)


@pytest.mark.parametrize("option", ["percentile", "threshold"])
def test_diehl_has_no_percentile(option: str) -> None:
    with pytest.raises(ArgumentError, match="Expected no options of diehl2015, which has none"):
        Recipe("diehl2015", **{option: 99.9})


@pytest.mark.parametrize("percentile", [0, 0.999, 1, 100.5, -3, float("nan"), True])
def test_percentiles_out_of_range_are_refused(percentile: Any) -> None:
    with pytest.raises(
        ArgumentError, match=r"Expected (a percentile in \(1, 100\]|percentile of tan2021 to be)"
    ):
        Recipe("tan2021", percentile=percentile)


def doubled(
    graph: LayerGraph,
    stats: ActivationStats,
    *,
    num_steps: int,
    grid: int | str | None,
    percentile: float = 98.0,
) -> SpikingPlan:
    """A recipe of somebody else, with a percentile of its own."""
    return tan2021(graph, stats, num_steps=2 * num_steps, grid=grid, percentile=percentile)


def without_percentile(
    graph: LayerGraph, stats: ActivationStats, *, num_steps: int, grid: int | str | None
) -> SpikingPlan:
    return tan2021(graph, stats, num_steps=num_steps, grid=grid)


def test_a_function_is_a_recipe_and_has_its_own_default_percentile(
    cartpole: tuple[nn.Module, Tensor],
) -> None:
    made = dqn2snn.convert(*cartpole, recipe=Recipe(doubled), num_steps=16).plan
    assert (made.recipe, made.num_steps, made.report["percentile"]) == ("doubled", 32, 98.0)
    asked = Recipe(doubled, percentile=97)
    made = dqn2snn.convert(*cartpole, recipe=asked, num_steps=16).plan
    assert (made.recipe, made.report["percentile"]) == ("doubled:percentile=97", 97)
    made = dqn2snn.convert(*cartpole, recipe=Recipe(without_percentile), num_steps=16).plan
    assert made.report["percentile"] == 99.9


def test_functions_enter_as_recipes_only(cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(ArgumentError, match=r"Pass dqn2snn\.recipes\.Recipe\(function\)"):
        dqn2snn.convert(*cartpole, recipe=doubled, num_steps=16)  # type: ignore[arg-type]


# Corrections


def test_corrections_are_made_in_order_on_raw_numbers_before_the_grid(
    cartpole: tuple[nn.Module, Tensor],
) -> None:
    seen: list[SpikingPlan] = []

    def renamed(plan: SpikingPlan, graph: LayerGraph, observations: Tensor) -> SpikingPlan:
        seen.append(plan)
        assert len(observations) == len(cartpole[1])
        return replace(plan, reference=plan.reference + "!")

    recipe = Recipe("rate+ridge").then(renamed).then(renamed)
    made = dqn2snn.convert(*cartpole, recipe=recipe, num_steps=8).plan
    assert made.recipe == "rate+ridge+renamed+renamed"
    assert [plan.on_grid for plan in seen] == [False, False]
    assert made.reference.endswith("!!")
    assert made.on_grid
    graph = trace(cartpole[0], (4,))
    stats = calibrate(graph, cartpole[1])
    by_hand = ridge(rate(graph, stats, num_steps=8, grid=None), graph, cartpole[1])
    expected = placed(replace(by_hand, reference=made.reference, recipe=made.recipe), stats, "auto")
    assert plan_bytes(made) == plan_bytes(expected)
    assert not dqn2snn.convert(*cartpole, recipe="rate+ridge", num_steps=8, grid=None).plan.on_grid


@pytest.mark.parametrize(
    ("recipe", "num_steps", "own"),
    [
        ("rate", 64, "rate+ridge"),
        ("rate", 65, "rate+none"),
        ("burst", 8, "burst+ridge"),
        ("burst", 9, "burst+none"),
        ("burst:max_spikes=4", 16, "burst:max_spikes=4+ridge"),
        ("tan2021", 8, "tan2021"),
    ],
)
def test_few_levels_have_their_readout_refitted(
    recipe: str, num_steps: int, own: str, cartpole: tuple[nn.Module, Tensor]
) -> None:
    made, expected = (
        dqn2snn.convert(*cartpole, recipe=each, num_steps=num_steps).plan for each in (recipe, own)
    )
    assert made.recipe == own
    assert plan_bytes(made) == plan_bytes(expected)


def test_what_is_done_does_not_depend_on_the_number_of_observations(
    cartpole: tuple[nn.Module, Tensor],
) -> None:
    network, seen = cartpole
    plans = [dqn2snn.convert(network, seen[:count], num_steps=8).plan for count in (1, 63, 64, 65)]
    assert {plan.recipe for plan in plans} == {"rate+ridge"}
    assert "rate+ridge, 8 steps" in plans[0].summary()


@pytest.mark.parametrize("steps", ["light!", "ridge+none", "", "none+none"])
def test_unknown_corrections_are_refused(steps: str, cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(ArgumentError, match=r"Expected a correction or a fine-tuning out of light, .*Found"):
        dqn2snn.convert(*cartpole, recipe=f"rate+{steps}")


# Where the network is built


def test_unknown_backends_and_engines_are_refused(cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(
        ArgumentError, match=r"Expected a backend out of snntorch, norse\. Found 'brian'\. Use snntorch"
    ):
        dqn2snn.convert(*cartpole, backend="brian")
    with pytest.raises(ArgumentError, match=r"Expected engine=.* Found 'fast'"):
        dqn2snn.convert(*cartpole, engine="fast")  # type: ignore[arg-type]


OURS = ("dqn2snn.neurons.norse", "dqn2snn.neurons.backends.norse")


def test_a_missing_norse_gives_the_pip_line(
    cartpole: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "norse" or name in OURS]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "norse", None)
    monkeypatch.setitem(sys.modules, "norse.torch", None)
    with pytest.raises(dqn2snn.errors.MissingExtraError, match=r"pip install .*dqn2snn\[norse\]"):
        dqn2snn.convert(*cartpole, num_steps=16, backend="norse")


# Observations


def test_one_observation_converts_what_it_shows(cartpole: tuple[nn.Module, Tensor]) -> None:
    assert dqn2snn.convert(cartpole[0], cartpole[1][:1], num_steps=16).plan.report["observations"] == 1


def test_an_observation_without_a_batch_dimension_is_refused(cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(ArgumentError, match="batch dimension"):
        dqn2snn.convert(cartpole[0], cartpole[1][0])


def test_an_empty_calibration_set_is_refused(cartpole: tuple[nn.Module, Tensor]) -> None:
    with pytest.raises(CalibrationError, match="Found none"):
        dqn2snn.convert(cartpole[0], cartpole[1][:0])
