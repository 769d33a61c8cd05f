"""The recipes digits and leaky: as good as their equations say, and clear about what they refuse."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes import Recipe
from tests import agents

NET = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
SEEN = torch.rand(128, 4, generator=torch.Generator().manual_seed(1))


def error_of(recipe: str, num_steps: int) -> float:
    """Mean error of Q-values in raw numbers."""
    snn = dqn2snn.convert(NET, SEEN, recipe=recipe, num_steps=num_steps, grid=None)
    with torch.no_grad():
        return float((snn(SEEN) - NET(SEEN)).abs().mean())


@pytest.mark.parametrize("base", [2, 4])
def test_the_error_falls_by_the_base_with_each_step(base: int) -> None:
    recipe = f"digits:base={base}:max_spikes=3:margin=1:delays=0-2"
    errors = [error_of(recipe, steps) for steps in (5, 7, 9)]
    for before, after in pairwise(errors):
        assert base**1.4 < before / after < base**2.6


@pytest.mark.parametrize(
    ("recipe", "num_steps", "least"),
    [("digits", 10, 0.97), ("digits", 6, 0.9), ("digits:max_spikes=1", 19, 0.97)],
)
@pytest.mark.parametrize("name", ["acrobot", "cartpole", "minatar-space_invaders"])
def test_agents_decide_as_before_in_few_steps(name: str, recipe: str, num_steps: int, least: float) -> None:
    observations = agents.observations(name)
    dqn, calibration, held_out = agents.agent(name), observations[::2], observations[1::2]
    snn = dqn2snn.convert(dqn, calibration, recipe=recipe, num_steps=num_steps)
    assert dqn2snn.metrics.action_agreement(dqn(held_out), snn(held_out)) >= least


def plan_of_digits(**options: object) -> SpikingPlan:
    recipe = Recipe("digits", **options)  # type: ignore[arg-type]
    return dqn2snn.convert(NET, SEEN, recipe=recipe, num_steps=8).plan


def test_delays_and_digits_make_up_the_steps() -> None:
    plan = plan_of_digits()
    last = plan.layers[-1]
    assert last.duration is not None
    assert last.delay + last.duration == plan.num_steps == 8
    assert {layer.duration for layer in plan.layers} == {plan.report["digits"]}
    assert [layer.delay for layer in plan_of_digits(delays="0-3").layers] == [0, 3]
    assert plan.recipe == "digits"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": 5}, "every number can be spelt"),
        ({"base": 1}, "Expected a base above 1"),
        ({"base": 0.5}, "Expected a base above 1"),
        ({"base": 2.001}, "multiple of 1/256"),
        ({"max_spikes": 0}, "max_spikes from 1"),
        ({"margin": 0}, "margin above 0"),
        ({"margin": -1}, "margin above 0"),
        ({"delays": "2-1"}, "do not shrink"),
        ({"delays": "0-1-2"}, "2 hidden layers"),
        ({"delays": "0-x"}, "whole steps"),
    ],
)
def test_numbers_that_cannot_be_spelt_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        plan_of_digits(**options)


@pytest.mark.parametrize("value", [nan, inf])
def test_options_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ArgumentError):
        Recipe("digits", base=value)


def test_more_delay_than_steps_is_refused() -> None:
    with pytest.raises(PlanError, match="leave a step for a digit"):
        plan_of_digits(delays="0-8")


@pytest.mark.parametrize("beta", [0, 1, 1.5, -0.5])
def test_a_leak_that_is_none_is_refused(beta: float) -> None:
    with pytest.raises(ArgumentError, match="beta above 0 and below 1"):
        dqn2snn.convert(NET, SEEN, recipe=Recipe("leaky", beta=beta))


@pytest.mark.parametrize("name", ["acrobot", "mountaincar"])
def test_neurons_that_leak_decide_nearly_as_those_that_do_not(name: str) -> None:
    observations = agents.observations(name)
    dqn, calibration, held_out = agents.agent(name), observations[::2], observations[1::2]
    found = {
        recipe: dqn2snn.metrics.action_agreement(
            dqn(held_out), dqn2snn.convert(dqn, calibration, recipe=recipe, num_steps=32)(held_out)
        )
        for recipe in ("rate_if+none", "leaky:beta=0.95", "leaky:beta=0.9")
    }
    assert found["leaky:beta=0.95"] >= found["rate_if+none"] - 0.03
    assert found["leaky:beta=0.9"] >= found["rate_if+none"] - 0.06


@pytest.mark.parametrize("correction", ["ftbc", "ridge", "light", "qcfs"])
@pytest.mark.parametrize("rule", ["digits", "leaky"])
def test_a_step_that_counts_spikes_is_refused(rule: str, correction: str) -> None:
    with pytest.raises(PlanError, match=f"spikes that are counted. Found {rule} coding"):
        dqn2snn.convert(NET, SEEN, recipe=f"{rule}+{correction}", num_steps=8)


@pytest.mark.parametrize("recipe", ["digits", "leaky"])
def test_a_network_without_output_spikes_has_one_readout(recipe: str) -> None:
    snn = dqn2snn.convert(NET, SEEN, recipe=recipe, num_steps=8)
    record = snn.record(SEEN)
    assert record.q_spike is None
    curve = dqn2snn.metrics.agreement_curve(record, NET(SEEN).detach())
    assert len(curve.robust) == 8
    assert curve.spike_count == ()
    assert len(dqn2snn.plot.plot_agreement(curve).lines) == 1
    comparison = dqn2snn.compare_policies(
        agents.agent("cartpole"), _cartpole(recipe), episodes=2, progress=False
    )
    assert comparison.spike_count_agreement is None


def _cartpole(recipe: str) -> dqn2snn.SpikingQNetwork:
    return dqn2snn.convert(
        agents.agent("cartpole"), agents.observations("cartpole"), recipe=recipe, num_steps=10
    )


@pytest.mark.parametrize("recipe", ["digits", "leaky"])
def test_nir_refuses_what_it_has_no_node_for(recipe: str) -> None:
    pytest.importorskip("nir")
    with pytest.raises(PlanError, match=f"those of {recipe} coding"):
        dqn2snn.to_nir(_cartpole(recipe))


@pytest.mark.parametrize("recipe", ["digits", "leaky"])
def test_the_rule_for_early_decisions_refuses_other_codings_than_rate(recipe: str) -> None:
    with pytest.raises(PlanError, match=f"rate coding.*Found {recipe} coding"):
        _cartpole(recipe).decide(agents.observations("cartpole")[:4])


@pytest.mark.parametrize("recipe", ["digits", "leaky"])
def test_weights_of_few_bits_keep_the_spikes_of_the_reference(recipe: str) -> None:
    plan = dqn2snn.hardware.quantize(_cartpole(recipe), 8)
    snn, observations = dqn2snn.SpikingQNetwork(plan), agents.observations("cartpole")[:50]
    records = [snn.record(observations, engine=engine) for engine in ("reference", "torch", "modules")]
    for record in records[1:]:
        for got, want in zip(record.counts, records[0].counts, strict=True):
            assert torch.equal(got.double(), want)


@pytest.mark.parametrize(
    ("chip", "grows"), [("loihi2", True), ("loihi", False), ("speck", False), ("xylo", False)]
)
def test_chips_whose_membranes_cannot_grow_are_named(chip: str, grows: bool) -> None:
    plan = dqn2snn.hardware.quantize(_cartpole("digits"), 8)
    found = dqn2snn.hardware.place(plan, chip).obstacles
    assert any("membranes grow" in obstacle for obstacle in found) != grows
    other = dqn2snn.hardware.quantize(_cartpole("rate_if+none"), 8)
    assert not any("membranes grow" in obstacle for obstacle in dqn2snn.hardware.place(other, chip).obstacles)
