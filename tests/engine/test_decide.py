"""Anytime decisions: the rule, the network's method, and how rarely it errs on trained agents."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.engine.decide import MARGIN, Decision, decide, separations, settled
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import ArgumentError, ObservationError, PlanError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, Reshape, SumPool
from tests import agents
from tests.engines import ENGINES
from tests.geometries import plans

DOCS = Path(__file__).parents[2] / "docs"
MARGINS = st.sampled_from([0.0, 0.25, 1.0, 2.5])
EVERY = st.integers(1, 9)


def soft(case: tuple[SpikingPlan, Tensor]) -> tuple[SpikingPlan, Record]:
    """The plan with soft reset at the output, and what it does."""
    plan, observations = case
    plan = replace(plan, output=replace(plan.output, reset="subtract"))
    with torch.no_grad():
        return plan, simulate_layerwise(plan, observations, plan.num_steps)


def output_weights(plan: SpikingPlan) -> list[Tensor]:
    """The current of each action by one spike of each hidden neuron, in units of its threshold, by trying."""
    affine = plan.output.affine
    inputs = math.prod(affine.in_shape)
    currents = affine(torch.eye(inputs, dtype=torch.float64).reshape(inputs, *affine.in_shape))
    silence = affine(torch.zeros(1, *affine.in_shape, dtype=torch.float64))
    return list(((currents - silence) / plan.output.threshold).T)


def textbook(plan: SpikingPlan, q: Tensor, margin: float, every: int) -> list[int]:
    """The rule, spelled out for one observation and one step after the other."""
    num_steps, batch, actions = q.shape
    weights = output_weights(plan)
    found = []
    for i in range(batch):
        for step in range(every, num_steps + 1, every):
            current = (q[step - 1, i].double() * step / plan.readout_scale).tolist()
            best = current.index(max(current))
            errors = [float((weights[best] - weights[b]).norm()) for b in range(actions)]
            if all(current[best] - current[b] >= margin * errors[b] for b in range(actions)):
                found.append(step)
                break
        else:
            found.append(num_steps)
    return found


# The rule


@settings(max_examples=25)
@given(case=plans(), margin=MARGINS, every=EVERY)
def test_the_rule_is_that_of_the_textbook(
    case: tuple[SpikingPlan, Tensor], margin: float, every: int
) -> None:
    plan, record = soft(case)
    steps = settled(plan, record.q, margin, every).tolist()
    # Where a difference equals its margin to the last bit, rounding decides.
    either = [textbook(plan, record.q, margin * (1 + slack), every) for slack in (-1e-5, 0.0, 1e-5)]
    assert all(step in choices for step, *choices in zip(steps, *either, strict=True))


@settings(max_examples=15)
@given(case=plans(), margins=st.tuples(MARGINS, MARGINS), every=EVERY)
def test_a_larger_margin_never_settles_sooner(
    case: tuple[SpikingPlan, Tensor], margins: tuple[float, float], every: int
) -> None:
    plan, record = soft(case)
    sooner, later = (settled(plan, record.q, margin, every) for margin in sorted(margins))
    assert bool((sooner <= later).all())
    assert all(step % every == 0 or step == plan.num_steps for step in later.tolist())


@settings(max_examples=15)
@given(case=plans(), margin=MARGINS, every=EVERY)
def test_a_decision_is_what_the_record_says_at_its_step(
    case: tuple[SpikingPlan, Tensor], margin: float, every: int
) -> None:
    plan, record = soft(case)
    decision = decide(plan, record, margin, every)
    assert decision.actions.dtype == decision.steps.dtype == torch.int64
    for i, step in enumerate(decision.steps.tolist()):
        assert torch.equal(decision.q[i], record.q[step - 1, i])
        assert int(decision.actions[i]) == int(record.q[step - 1, i].argmax())


@settings(max_examples=15)
@given(plans())
def test_separations_are_distances_between_the_weights_of_two_actions(
    case: tuple[SpikingPlan, Tensor],
) -> None:
    plan, _ = case
    weights = output_weights(plan)
    found = separations(plan)
    for a, row in enumerate(weights):
        for b, other in enumerate(weights):
            expected = plan.readout_scale * float((row - other).norm())
            assert float(found[a, b]) == pytest.approx(expected, abs=1e-9)


def test_separations_of_a_head_behind_a_pooling() -> None:
    """The average of four neurons: a spike of any of them counts."""
    weight = torch.tensor([[3.0], [0.0]], dtype=torch.float64)
    ops = (SumPool((2, 2), (2, 2)), Reshape((1,)), Dense(weight))
    head = AffineLayer("head", ops, torch.zeros(2).double(), (1, 2, 2), (2,))
    pixels = AffineLayer(
        "pixels", (Conv(torch.ones(1, 1, 1, 1).double()),), torch.zeros(1).double(), (1, 2, 2), (1, 2, 2)
    )
    one = torch.tensor(1.0, dtype=torch.float64)
    output = SpikingLayer(head, threshold=torch.tensor([1.5, 1.0]).double(), v_init=0 * one)
    plan = SpikingPlan((SpikingLayer(pixels, one, 0 * one),), output, 10.0, 8, "by hand", "nobody")
    assert separations(plan).tolist() == [[0.0, 40.0], [40.0, 0.0]]
    assert separations(plan.cast(torch.float32)).tolist() == [[0.0, 40.0], [40.0, 0.0]]


def test_the_first_check_settles_at_margin_0_and_the_last_step_in_any_case() -> None:
    plan, q = agents.plan("lunarlander"), agents.oracle("lunarlander", 32).q
    assert settled(plan, q, 0.0, 7).tolist() == [7] * 32
    assert settled(plan, q[:50], 1e9, 7).tolist() == [50] * 32
    assert settled(plan, q[:50], 0.0, 51).tolist() == [50] * 32
    assert settled(plan, q[:1], 0.0, 1).tolist() == [1] * 32


def test_the_units_of_q_settle_nothing() -> None:
    plan, q = agents.plan("minatar-freeway"), agents.oracle("minatar-freeway", 32).q
    scaled = replace(plan, readout_scale=1024 * plan.readout_scale)
    assert torch.equal(settled(scaled, 1024 * q), settled(plan, q))


def test_actions_with_equal_weights_settle_and_the_first_is_taken() -> None:
    plan = agents.plan("cartpole")
    affine = plan.output.affine
    twins = affine.with_parameters(affine.weight[:1].expand(2, -1), affine.bias[:1].expand(2))
    snn = SpikingQNetwork(replace(plan, output=replace(plan.output, affine=twins)))
    decision = snn.decide(agents.observations("cartpole")[:4], margin=3.0, every=5)
    assert decision.actions.tolist() == [0] * 4
    assert decision.steps.tolist() == [5] * 4


# The network's method


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["lunarlander", "minatar-freeway"])
def test_every_engine_decides_alike(name: str, engine: str) -> None:
    snn = SpikingQNetwork(agents.plan(name), engine=engine)
    expected = decide(snn.plan, agents.oracle(name, 32))
    decision = snn.decide(agents.observations(name)[:32])
    assert torch.equal(decision.steps, expected.steps)
    assert torch.equal(decision.actions, expected.actions)
    torch.testing.assert_close(decision.q.double(), expected.q, rtol=1e-5, atol=1e-5)
    assert not decision.q.requires_grad


def test_num_steps_is_the_limit() -> None:
    snn, observations = SpikingQNetwork(agents.plan("cartpole")), agents.observations("cartpole")[:32]
    short, long = (snn.decide(observations, num_steps) for num_steps in (30, None))
    assert torch.equal(short.steps, long.steps.clamp(max=30))
    assert int(long.steps.max()) == snn.plan.num_steps
    undecided = short.steps == 30
    assert torch.equal(short.q[undecided], snn(observations, 30)[undecided])


@pytest.mark.parametrize("engine", ENGINES)
def test_no_observations_need_no_decisions(engine: str) -> None:
    snn = SpikingQNetwork(agents.plan("cartpole"), engine=engine)
    decision = snn.decide(agents.observations("cartpole")[:0], 8)
    assert [len(tensor) for tensor in (decision.actions, decision.steps, decision.q)] == [0, 0, 0]


def test_arrays_and_the_engine_of_a_call_are_taken() -> None:
    snn, observations = SpikingQNetwork(agents.plan("cartpole")), agents.observations("cartpole")[:3]
    a, b = snn.decide(observations.numpy(), 16), snn.decide(observations, 16, engine="reference")
    assert (a.q.dtype, b.q.dtype) == (torch.float32, torch.float64)
    assert a.steps.tolist() == b.steps.tolist()


# How it does on trained agents


def visited(name: str) -> tuple[SpikingPlan, Record]:
    """An agent's plan, and its decisions on states that the agent visits."""
    plan = agents.plan(name)
    return plan, SpikingQNetwork(plan).record(agents.observations(name)[:256])


@pytest.mark.parametrize("name", agents.NAMES)
def test_settled_decisions_are_nearly_always_those_of_all_steps(name: str) -> None:
    plan, record = visited(name)
    final = record.q[-1].argmax(dim=1)

    def errors(margin: float) -> float:
        return float((decide(plan, record, margin).actions != final).double().mean())

    assert errors(1.0) <= 0.01
    assert errors(1.0) <= errors(0.0)
    assert errors(0.0) > 0.3  # so that there was something to err about


@pytest.mark.parametrize("name", [name for name in agents.NAMES if name.startswith(("minatar", "acrobot"))])
def test_most_steps_are_saved(name: str) -> None:
    decision = decide(*visited(name), margin=1.0)
    assert decision.steps.double().mean() < agents.NUM_STEPS / 3


# What the page says of it


@pytest.fixture
def measured() -> dict[str, Any]:
    """What docs/measuring/anytime.py measured last."""
    agents_: dict[str, Any] = json.loads((DOCS / "results" / "anytime.json").read_text())["agents"]
    return agents_


def test_what_the_page_says_in_words_was_measured(measured: dict[str, Any]) -> None:
    rows = {name: {row["margin"]: row for row in agent["margins"]} for name, agent in measured.items()}
    assert sum(agent["observations"] for agent in measured.values()) == 16_000
    assert min(agent["episodes"] for agent in measured.values()) >= 20
    for name, agent in rows.items():
        assert agent[MARGIN]["same_as_all_steps"]["mean"] == 1.0, "at the default no action differed"
        assert agent[MARGIN]["same_as_all_steps"]["low"] > 0.9975
        assert agent[1.0]["same_as_all_steps"]["mean"] > 0.99
        assert agent[0.5]["same_as_all_steps"]["mean"] > 1 - 1 / 5.9
        assert (
            agent[0.5]["fixed_steps"]["same_as_all_steps"]["mean"] < agent[0.5]["same_as_all_steps"]["mean"]
        )
        if name.startswith("minatar"):
            assert 150 <= round(agent[MARGIN]["mean_steps"]) <= 240
    assert rows["acrobot"][MARGIN]["quantiles"]["0.5"] == 48
    assert rows["acrobot"][MARGIN]["quantiles"]["0.95"] > 380


# What it refuses


@pytest.mark.parametrize("margin", [-1.0, math.nan, math.inf, "3", True, None, torch.tensor([1.0, 2.0])])
def test_a_margin_that_is_none_is_refused(margin: Any) -> None:
    with pytest.raises(ArgumentError, match=r"finite margin of 0 or more\. Found margin="):
        SpikingQNetwork(agents.plan("cartpole")).decide(agents.observations("cartpole")[:1], margin=margin)


@pytest.mark.parametrize("every", [0, -4, 1.5, True, "4", None])
def test_a_spacing_of_checks_that_is_none_is_refused(every: Any) -> None:
    with pytest.raises(ArgumentError, match=r"positive whole number of steps between checks\. Found every="):
        SpikingQNetwork(agents.plan("cartpole")).decide(agents.observations("cartpole")[:1], every=every)


@pytest.mark.parametrize("num_steps", [0, -1, 501, 1.5, True])
def test_steps_that_the_plan_was_not_made_for_are_refused(num_steps: Any) -> None:
    with pytest.raises(PlanError, match="steps"):
        SpikingQNetwork(agents.plan("cartpole")).decide(agents.observations("cartpole")[:1], num_steps)


@pytest.mark.parametrize("engine", ENGINES)
def test_bad_observations_are_refused(engine: str) -> None:
    snn = SpikingQNetwork(agents.plan("cartpole"), engine=engine)
    with pytest.raises(ObservationError, match="NaN or infinity in 1 of 2"):
        snn.decide(torch.tensor([[0.0] * 4, [math.nan] * 4]), 8)
    with pytest.raises(ObservationError, match=r"Found \[2, 3\]"):
        snn.decide(torch.zeros(2, 3), 8)


def test_output_neurons_that_are_reset_to_zero_are_refused() -> None:
    """They discard current, so that their robust rate is not what the rule compares."""
    plan = agents.plan("cartpole")
    hard = replace(plan, output=replace(plan.output, reset="zero"))
    snn, observations = SpikingQNetwork(hard), agents.observations("cartpole")[:2]
    with pytest.raises(PlanError, match=r"reset by subtraction.*Found reset='zero'.*fixed number of steps"):
        snn.decide(observations, 20)
    with pytest.raises(PlanError, match="reset by subtraction"):
        settled(hard, snn.record(observations, 20).q)
    hidden = tuple(replace(layer, reset="zero") for layer in plan.layers)
    assert isinstance(SpikingQNetwork(replace(plan, layers=hidden)).decide(observations, 20), Decision)
