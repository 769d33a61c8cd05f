"""The recipe as a value: its text, what it refuses, and the order in which it is followed."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import dqn2snn
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.file import plan_bytes
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import Recipe, Value, entry_named, names_of, placed, rate, sigma_delta
from dqn2snn.recipes._values import annotated_kinds
from dqn2snn.recipes.correction import ftbc, ridge_all
from dqn2snn.tracing.calibration import ActivationStats, calibrate
from tests.agents import agent, observations

KINDS = ("rule", "correction", "finetuning")
TEXTS = (
    "rate",
    "rate+none",
    "tan2021",
    "burst:max_spikes=4",
    "rate:threshold=max+ftbc+ridge_all",
    "rate:threshold=99.9:fold=false",
    "sigma_delta:levels=32+ridge",
    "rate+ridge:strength=0.001+qcfs:batch_size=64",
    "rate+ridge:strength=none:near_ties=false",
    "xu2026:carry=1e-05",
    "tan2021+hard_reset+light+ridge",
)

VALUES: dict[type, st.SearchStrategy[Value]] = {
    bool: st.booleans(),
    int: st.integers(-(2**40), 2**40),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.sampled_from(["max", "mse", "neuron", "rate"]),
    type(None): st.none(),
}


@st.composite
def steps(draw: st.DrawFn, kind: str) -> tuple[str, dict[str, Value]]:
    """A name with some of its options, of their types; percentiles in their range."""
    name = draw(st.sampled_from(names_of(kind)))  # type: ignore[arg-type]
    function = entry_named(name, kind).function  # type: ignore[arg-type]
    given = {"graph", "stats", "plan", "observations", "num_steps", "grid", "progress", "return"}
    known = {option: kinds for option, kinds in annotated_kinds(function).items() if option not in given}
    options: dict[str, Value] = {}
    for option in draw(st.lists(st.sampled_from(sorted(known)), unique=True)) if known else []:
        kinds = sorted(known[option], key=str)
        value = draw(VALUES[draw(st.sampled_from(kinds))])
        if option in ("percentile", "threshold") and isinstance(value, float):
            value = draw(st.floats(1, 100, exclude_min=True))
        options[option] = value
    return name, options


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    name, options = draw(steps("rule"))
    recipe = Recipe(name, **options)
    if draw(st.booleans()):
        recipe = recipe.without_steps()
    for kind in draw(st.lists(st.sampled_from(KINDS[1:]), max_size=3)):
        name, options = draw(steps(kind))
        recipe = recipe.then(name, **options)
    return recipe


@given(recipes())
def test_a_recipe_is_its_text(recipe: Recipe) -> None:
    again = Recipe(str(recipe))
    assert again == recipe
    assert hash(again) == hash(recipe)
    assert str(again) == str(recipe)
    assert eval(repr(recipe)) == recipe
    assert pickle.loads(pickle.dumps(recipe)) == recipe


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_read_is_what_was_written(text: str) -> None:
    assert str(Recipe(text)) == text
    assert repr(Recipe(text)) == f"Recipe({text!r})"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Recipe("burst", max_spikes=4), Recipe("burst:max_spikes=4")),
        (Recipe("burst:threshold=max:max_spikes=4"), Recipe("burst:max_spikes=4:threshold=max")),
        (Recipe("rate:threshold=100"), Recipe("rate", threshold=100)),
        (Recipe("rate", threshold="99.9"), Recipe("rate", threshold=99.9)),
        (Recipe("tan2021+none"), Recipe("tan2021")),
        (Recipe("rate").then("ftbc"), Recipe("rate+ftbc")),
        (Recipe("rate").then("ridge:strength=0.5"), Recipe("rate").then("ridge", strength=0.5)),
        (Recipe("rate+ridge").without_steps(), Recipe("rate+none")),
        (Recipe(rate), Recipe("rate")),
        (Recipe(sigma_delta, levels=8).then(ridge_all), Recipe("sigma_delta:levels=8+ridge_all")),
        (Recipe("rate:fold=False"), Recipe("rate", fold=False)),
    ],
)
def test_recipes_that_say_the_same_are_equal(one: Recipe, other: Recipe) -> None:
    assert one == other
    assert len({one, other}) == 1


def test_recipes_that_differ_are_different() -> None:
    assert len({Recipe(text) for text in TEXTS}) == len(TEXTS)
    assert Recipe("rate+none") != Recipe("rate")
    assert Recipe("rate+ftbc+ridge") != Recipe("rate+ridge+ftbc")


def test_a_recipe_does_not_change() -> None:
    recipe = Recipe("rate")
    with pytest.raises(FrozenInstanceError):
        recipe.steps = ()  # type: ignore[misc]
    recipe.then("ridge")
    assert recipe == Recipe("rate")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rat", "Expected a recipe out of rate, .* Found 'rat'. Did you mean 'rate'"),
        ("tan2020", "Did you mean 'tan2021'"),
        ("", "Expected a recipe out of"),
        ("rate+rigde", "Expected a correction or a fine-tuning out of .* Did you mean 'ridge'"),
        ("rate+tan2021", "Found 'tan2021'. Did you mean"),
        ("ridge", "Expected a recipe out of"),
        ("rate+none+ridge", "Found 'none'"),
        ("rate+", "Found ''"),
        ("rate:treshold=max", "an option of rate out of threshold, .* Did you mean 'threshold'"),
        ("rate+ridge:strenght=1", "an option of ridge out of .* Did you mean 'strength'"),
        ("rate:threshold", "Expected options as name=value. Found 'threshold'"),
        ("rate:threshold=", "Expected threshold of rate to be"),
        ("burst:max_spikes=four", "Expected max_spikes of burst to be a whole number. Found 'four'"),
        ("burst:max_spikes=4.5", "to be a whole number. Found '4.5'"),
        ("rate:fold=maybe", "to be true or false"),
        ("rate+ridge:strength=nan", "Expected strength of ridge to be a number, or none"),
        ("rate:fold=true:fold=false", "Expected fold of rate once"),
        ("rate:num_steps=4", "Expected num_steps beside the recipe"),
        ("rate:grid=none", "Expected grid beside the recipe"),
        ("bu2022:threshold=max", "Expected no options of bu2022"),
        ("tan2021:percentile=0.999", "Did you mean 99.9"),
    ],
)
def test_what_is_unknown_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        Recipe(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("burst", {"max_spikes": 4.5}),
        ("burst", {"max_spikes": True}),
        ("rate", {"threshold": None}),
        ("rate", {"fold": 1}),
        ("rate", {"threshold": "a+b"}),
        ("rate", {"threshold": [99.9]}),
        ("xu2026", {"carry": float("inf")}),
    ],
)
def test_values_of_another_type_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=f"Expected {next(iter(options))} of {name} to be"):
        Recipe(name, **options)


def test_what_has_no_name_is_no_recipe() -> None:
    with pytest.raises(ArgumentError, match="Expected a function with a name"):
        Recipe(partial(rate, threshold="max"))
    with pytest.raises(ArgumentError, match="Expected the text of a recipe"):
        Recipe(3)  # type: ignore[arg-type]


# What is done


def calibrated() -> tuple[LayerGraph, ActivationStats, Tensor]:
    seen = observations("cartpole")
    graph = dqn2snn.trace(agent("cartpole"), (4,))
    return graph, calibrate(graph, seen, (97.0, 99.9)), seen


def test_the_rule_comes_first_then_the_steps_in_order_then_the_grid() -> None:
    graph, stats, seen = calibrated()
    made = Recipe("rate:threshold=97+ftbc:rounds=2+ridge_all").plan(graph, stats, seen, num_steps=8)
    raw = rate(graph, stats, num_steps=8, threshold=97.0, grid=None)
    by_hand = ridge_all(ftbc(raw, graph, seen, rounds=2), graph, seen)
    expected = placed(replace(by_hand, recipe=made.recipe), stats, "auto")
    assert plan_bytes(made) == plan_bytes(expected)
    assert by_hand.recipe == "rate+ftbc:rounds=2+ridge_all"


def doubled(plan: SpikingPlan, graph: LayerGraph, observations: Tensor, factor: float = 2.0) -> SpikingPlan:
    """A correction of somebody else, with an option."""
    return replace(plan, readout_scale=factor * plan.readout_scale)


def test_functions_of_ones_own_are_steps() -> None:
    graph, stats, seen = calibrated()
    recipe = Recipe("tan2021").then(doubled, factor=4)
    assert str(recipe) == "tan2021+doubled:factor=4"
    assert recipe == Recipe("tan2021").then(doubled, factor=4.0)
    made, plain = (each.plan(graph, stats, seen, num_steps=8) for each in (recipe, Recipe("tan2021")))
    assert made.readout_scale == 4 * plain.readout_scale
    assert made.recipe == str(recipe)
    with pytest.raises(ArgumentError, match="an option of doubled out of factor"):
        Recipe("tan2021").then(doubled, by=4)
    with pytest.raises(ArgumentError, match="Found 'doubled'"):
        Recipe(str(recipe))


@pytest.mark.parametrize(
    ("text", "num_steps", "applied"),
    [
        ("rate", 64, "rate+ridge"),
        ("rate", 65, "rate+none"),
        ("rate", None, "rate+ridge"),
        ("rate_if", None, "rate_if+ridge"),
        ("burst", 8, "burst+ridge"),
        ("burst:max_spikes=16", 8, "burst:max_spikes=16+none"),
        ("rate+none", 4, "rate+none"),
        ("rate+ftbc", 500, "rate+ftbc"),
        ("tan2021", 4, "tan2021"),
        ("sigma_delta", 4, "sigma_delta"),
    ],
)
def test_what_is_done_by_default_is_said(text: str, num_steps: int | None, applied: str) -> None:
    assert str(Recipe(text).with_default_steps(num_steps)) == applied


def test_what_was_done_can_be_done_again() -> None:
    network, seen = agent("cartpole"), observations("cartpole")
    for text in ("rate", "burst:max_spikes=4", "tan2021", "rate:threshold=97+ftbc"):
        made = dqn2snn.convert(network, seen, recipe=text, num_steps=16).plan
        again = dqn2snn.convert(network, seen, recipe=made.recipe, num_steps=16).plan
        assert plan_bytes(again) == plan_bytes(made)


@pytest.mark.parametrize(
    ("text", "percentiles"),
    [
        ("rate", (99.9, 99.99)),
        ("rate:threshold=97", (97.0, 99.9, 99.99)),
        ("rate:threshold=max", (99.9, 99.99)),
        ("tan2021:percentile=95", (95.0, 99.9, 99.99)),
        ("bu2022", (99.9, 99.99)),
    ],
)
def test_a_recipe_knows_what_calibration_has_to_take(text: str, percentiles: tuple[float, ...]) -> None:
    assert Recipe(text).percentiles == percentiles


def test_conversion_takes_the_text_and_the_value() -> None:
    network, seen = agent("cartpole"), observations("cartpole")
    one, other = (
        dqn2snn.convert(network, seen, recipe=recipe, num_steps=4)
        for recipe in ("burst:max_spikes=4+ridge", Recipe("burst", max_spikes=4).then("ridge"))
    )
    assert torch.equal(one(seen), other(seen))
    assert one.summary().startswith("burst:max_spikes=4+ridge, 4 steps")
