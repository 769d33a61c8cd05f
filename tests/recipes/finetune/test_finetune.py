"""Fine-tuning of converted networks, on a shipped agent and on small images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import ArgumentError, CalibrationError, ObservationError, PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.grid import on_grid
from dqn2snn.recipes import names_of
from dqn2snn.recipes.finetune import dsr, qcfs, surrogate, tandem
from dqn2snn.recipes.finetune._trained import Trained
from dqn2snn.recipes.finetune.dsr import _forward
from tests.agents import agent, observations
from tests.kinds import KINDS

Finetune = Callable[..., SpikingPlan]
NAME = "acrobot"
FINETUNINGS: tuple[Finetune, ...] = (qcfs, dsr, surrogate, tandem)
each = pytest.mark.parametrize("finetune", FINETUNINGS, ids=names_of("finetuning"))


@cache
def graph() -> LayerGraph:
    return dqn2snn.trace(agent(NAME), tuple(observations(NAME).shape[1:]))


@cache
def converted(recipe: str = "rate", num_steps: int = 3) -> SpikingPlan:
    plan = dqn2snn.convert(
        agent(NAME), observations(NAME), recipe=f"{recipe}+none", num_steps=num_steps, grid=None
    ).plan
    return replace(plan, readout="rate")


def q_values(plan: SpikingPlan, states: Tensor) -> Tensor:
    return simulate_layerwise(plan, states, plan.settling_steps).q[-1]


def error(plan: SpikingPlan) -> float:
    """Mean squared error of the differential part of Q."""
    states = observations(NAME)
    off = q_values(plan, states) - graph()(states.double()).float()
    return float((off - off.mean(1, keepdim=True)).square().mean())


def same(one: SpikingPlan, other: SpikingPlan) -> bool:
    pairs = zip(one.all_layers, other.all_layers, strict=True)
    return all(
        torch.equal(a.affine.weight, b.affine.weight)
        and torch.equal(a.affine.bias, b.affine.bias)
        and torch.equal(a.v_init, b.v_init)
        for a, b in pairs
    )


@each
def test_decisions_become_more_like_those_of_the_dqn(finetune: Finetune) -> None:
    tuned = finetune(converted(), graph(), observations(NAME), updates=150)
    assert error(tuned) < (0.9 if finetune is tandem else 0.5) * error(converted())
    assert [(layer.signed, layer.max_spikes) for layer in tuned.layers] == [(True, 1)] * 2


@each
@pytest.mark.parametrize("kind", ["signed", "burst", "step bias", "slope", "delta", "delta of single spikes"])
def test_every_kind_of_neuron_is_trained(finetune: Finetune, kind: str) -> None:
    plan = KINDS[kind](converted("tan2021", 4))
    tuned = finetune(plan, graph(), observations(NAME), updates=4, batch_size=32, features=0.1)
    assert (tuned.coding, tuned.num_steps) == (plan.coding, plan.num_steps)
    assert tuned.readout == ("rate" if finetune is qcfs else plan.readout)
    name = getattr(finetune, "__name__", "")
    assert tuned.recipe == f"{plan.recipe}+{name}:updates=4:batch_size=32:features=0.1"
    assert torch.isfinite(q_values(tuned, observations(NAME)[:16])).all()


@each
def test_the_seed_determines_the_result(finetune: Finetune) -> None:
    def run(**options: Any) -> SpikingPlan:
        return finetune(converted(), graph(), observations(NAME), updates=30, batch_size=64, **options)

    before = torch.random.get_rng_state()
    assert same(run(seed=1), run(seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not same(run(seed=1), run(seed=2))


@each
def test_the_result_has_a_grid(finetune: Finetune) -> None:
    tuned = finetune(converted(), graph(), observations(NAME), updates=60, learning_rate=0.03)
    states = observations(NAME)
    placed = on_grid(tuned, "auto", float(states.abs().max()))
    same_action = q_values(placed, states).argmax(1) == q_values(tuned, states).argmax(1)
    assert float(same_action.float().mean()) > 0.97


@pytest.mark.parametrize("kind", ["half", "signed", "burst", "delta"])
def test_the_exported_plan_sends_the_spikes_of_the_trained_one(kind: str) -> None:
    plan, states = KINDS[kind](converted("tan2021", 4)), observations(NAME)
    tuned = dsr(plan, graph(), states, updates=20)
    said = _forward(Trained(tuned).plan(), states)
    record = simulate_layerwise(tuned, states, tuned.settling_steps)
    for feature, counts in zip(said.features, record.counts, strict=False):
        assert torch.equal(feature * tuned.coding.quanta(tuned.num_steps), counts)
    assert torch.equal(said.q, record.q[-1])


@each
def test_images_are_trained_too_and_the_plan_and_the_network_stay(finetune: Finetune) -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    )
    states = torch.rand(60, 2, 6, 6)
    traced = dqn2snn.trace(network, (2, 6, 6))
    plan = dqn2snn.convert(network, states, recipe="rate+none", num_steps=3, grid=None).plan
    kept = Trained(plan).exported()
    tuned = finetune(plan, traced, states, updates=10)
    assert same(plan, kept) or [layer.v_init.ndim for layer in plan.layers] == [0, 0]
    assert not torch.equal(tuned.layers[1].affine.weight, plan.layers[1].affine.weight)
    assert tuned.layers[0].v_init.shape == (4,)
    on_grid(tuned, "auto", 1.0)


def test_it_is_a_correction_of_convert() -> None:
    network, states = agent(NAME), observations(NAME)
    snn = dqn2snn.convert(network, states, recipe="rate+dsr:updates=5", num_steps=4)
    assert snn.plan.on_grid
    assert snn.plan.recipe == "rate+dsr:updates=5"
    raw = dqn2snn.convert(network, states, recipe="rate+dsr:updates=5", num_steps=4, grid=None).plan
    by_hand = dsr(
        dqn2snn.convert(network, states, recipe="rate+none", num_steps=4, grid=None).plan,
        graph(),
        states,
        updates=5,
    )
    assert by_hand.recipe == raw.recipe
    assert same(by_hand, raw)


def test_one_action_is_a_regression() -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
    states = torch.rand(64, 3)
    plan = dqn2snn.convert(network, states, recipe="rate+none", num_steps=2, grid=None).plan
    tuned = dsr(plan, dqn2snn.trace(network, (3,)), states, updates=50)
    targets = network(states).detach()
    assert (q_values(tuned, states) - targets).square().mean() < (
        q_values(plan, states) - targets
    ).square().mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"updates": 0}, "positive whole number as updates"),
        ({"batch_size": 1.5}, "positive whole number as batch_size"),
        ({"learning_rate": 0.0}, "positive learning_rate"),
        ({"features": -1.0}, "at least 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        dsr(converted(), graph(), observations(NAME), **options)


@each
def test_what_cannot_be_trained_is_refused(finetune: Finetune) -> None:
    states = observations(NAME)
    with pytest.raises(PlanError, match="raw numbers"):
        finetune(on_grid(converted(), "auto", 4.0), graph(), states)
    with pytest.raises(CalibrationError, match="Found 1"):
        finetune(converted(), graph(), states[:1])
    with pytest.raises(ObservationError):
        finetune(converted(), graph(), states[:, :2])
    other = dqn2snn.trace(nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3)), (6,))
    with pytest.raises(PlanError, match="network that teaches"):
        finetune(converted(), other, states)
