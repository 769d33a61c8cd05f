"""What is suggested holds when it is simulated."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import dqn2snn
from dqn2snn.analysis.suggestion import Suggestion, suggest
from dqn2snn.analysis.suggestion._sweep import sweep_agreement
from dqn2snn.analysis.suggestion._target import TRIED, _search, plan_for_target, trials_table
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.metrics import action_agreement
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import rate, sigma_delta
from tests.agents import agent, observations
from tests.analysis.suggestion.test_predict import calibrated, q_dqn


@pytest.fixture(scope="module")
def suggestion() -> Suggestion:
    return suggest(agent("acrobot"), observations("acrobot"), 0.95, recipes=("rate", "burst"))


def test_the_suggested_conversion_agrees_as_promised(suggestion: Suggestion) -> None:
    trained, x = agent("acrobot"), observations("acrobot")
    for option in suggestion.options:
        assert option.reached
        snn = dqn2snn.convert(trained, x, **option)
        assert action_agreement(q_dqn("acrobot"), snn(x)) >= 0.95 - 0.03


def test_bursts_need_fewer_steps_and_the_first_recipe_is_taken(suggestion: Suggestion) -> None:
    single, several = suggestion.options
    assert single.num_steps is not None
    assert several.num_steps is not None
    assert several.num_steps < single.num_steps
    assert suggestion.best == single
    assert suggestion.best.arguments in str(suggestion)


def test_a_suggestion_is_plain_data(suggestion: Suggestion) -> None:
    data = json.loads(json.dumps(suggestion.to_dict(), allow_nan=False))
    assert data["best"]["recipe"].split(":")[0] == "rate"
    assert data["best"]["num_steps"] == suggestion.best["num_steps"]
    assert len(data["candidates"]) == 4


def test_what_cannot_be_reached_is_said_to_be_missed() -> None:
    found = suggest(
        agent("cartpole"),
        observations("cartpole"),
        0.999,
        recipes=("rate",),
        thresholds=("max",),
        num_steps=(2, 4),
    )
    assert not found.best.reached
    assert "None reaches it" in str(found)


@pytest.mark.parametrize("target", [0, 1, 99, True, "0.9"])
def test_a_target_is_a_share(target: object) -> None:
    with pytest.raises(ArgumentError, match="target agreement"):
        suggest(agent("acrobot"), observations("acrobot"), target)  # type: ignore[arg-type]


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ArgumentError, match="sigma_delta"):
        suggest(agent("acrobot"), observations("acrobot"), recipes=("tan2021",))


def plan(name: str, num_steps: int, *, grid: bool) -> SpikingPlan:
    graph, stats = calibrated(name)
    raw = rate(graph, stats, num_steps=num_steps, threshold="max", readout="rate", grid=None)
    return on_grid(raw, "auto", stats.observation_magnitude) if grid else raw


def test_the_smallest_number_of_steps_is_found_and_confirmed() -> None:
    x, q = observations("acrobot")[::2], q_dqn("acrobot")[::2]
    make = partial(plan, "acrobot")
    found = plan_for_target(partial(make, grid=False), partial(make, grid=True), x, q, 0.95)
    tried = {trial["num_steps"]: trial["measured"]["mean"] for trial in found.report["tried"]}
    assert tried[found.num_steps] == action_agreement(q, dqn2snn.SpikingQNetwork(found)(x)) >= 0.95
    below = TRIED[TRIED.index(found.num_steps) - 1]
    assert tried[below] < 0.95
    assert len(tried) <= 8
    assert trials_table(found.report).count("\n") == len(tried)


def test_a_target_beyond_500_steps_says_what_was_best() -> None:
    x, q = observations("cartpole")[:100], q_dqn("cartpole")[:100]
    with pytest.raises(PlanError, match=r"99\.9999 % within 500 steps\. Found \d+\.\d+ % on 100 held-out"):
        plan_for_target(
            lambda t: plan("cartpole", 4, grid=False),
            lambda t: plan("cartpole", 4, grid=True),
            x,
            q,
            0.999999,
        )


def test_networks_that_remember_are_measured_in_sequence() -> None:
    graph, stats = calibrated("acrobot")
    make = partial(sigma_delta, graph, stats)
    x, q = observations("acrobot")[:60], q_dqn("acrobot")[:60]
    found = plan_for_target(lambda t: make(num_steps=t, grid=None), lambda t: make(num_steps=t), x, q, 0.8)
    assert found.coding.name == "delta"
    assert all(trial["predicted"] is None for trial in found.report["tried"])


@given(first=st.integers(0, len(TRIED)), start=st.integers(0, len(TRIED) - 1))
def test_the_search_finds_the_first_that_reaches(first: int, start: int) -> None:
    asked = []

    def reaches(index: int) -> bool:
        asked.append(index)
        return index >= first

    assert _search(reaches, start) == (first if first < len(TRIED) else None)
    assert len(set(asked)) <= 12


def test_a_sweep_measures_what_it_predicts() -> None:
    x, q = observations("acrobot")[::2], q_dqn("acrobot")[::2]
    sweep = sweep_agreement(lambda t: dqn2snn.SpikingQNetwork(plan("acrobot", t, grid=True)), x, q, (4, 16))
    snn = dqn2snn.SpikingQNetwork(plan("acrobot", 16, grid=True))
    with torch.no_grad():
        assert sweep.measured[1].mean == action_agreement(q, snn(x))
    assert abs(sweep.measured[1].mean - sweep.predicted[1].mean) < 0.05
    assert str(sweep).startswith("steps")


def test_convert_chooses_the_number_of_steps() -> None:
    trained, x = agent("acrobot"), observations("acrobot")
    held_out = x[-104:]
    snn = dqn2snn.convert(trained, x, target_agreement=0.9)
    assert snn.plan.report["held_out"] == 104
    assert action_agreement(q_dqn("acrobot")[-104:], snn(held_out)) >= 0.9
    given = dqn2snn.convert(trained, x[:-104], target_agreement=0.9, held_out=held_out)
    assert given.plan.num_steps == snn.plan.num_steps
    assert given.plan.report == snn.plan.report


@pytest.mark.parametrize(
    "asked", [{"target_agreement": 0.9, "num_steps": 8}, {"held_out": observations("acrobot")}]
)
def test_a_target_takes_the_place_of_a_number_of_steps(asked: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match="in place of num_steps"):
        dqn2snn.convert(agent("acrobot"), observations("acrobot"), **asked)  # type: ignore[arg-type]


def test_too_few_observations_leave_none_out() -> None:
    with pytest.raises(ArgumentError, match="held-out observations"):
        dqn2snn.convert(agent("acrobot"), observations("acrobot")[:4], target_agreement=0.9)
