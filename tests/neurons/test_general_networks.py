"""Networks of every kind of neuron: both libraries' modules give the spikes of the float64 oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import norse.torch as norse
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from snntorch import utils
from torch import Tensor

import dqn2snn
from dqn2snn.dynamics.readout import RobustRate
from dqn2snn.engine.modules import simulate_modules
from dqn2snn.engine.reference import simulate_reference
from dqn2snn.errors import PlanError
from dqn2snn.neurons.norse import GradedIFCell, IFCell, to_norse
from dqn2snn.neurons.snntorch import IF, GradedIF, to_snntorch
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.coding import coding_named
from tests import agents
from tests.kinds import of_kind
from tests.neurons.adapting import adapted
from tests.neurons.general_plans import Episodes, general_plans
from tests.properties import assert_same_q_values, assert_same_spikes

MAKERS = [to_snntorch, to_norse]


def plain_plan() -> SpikingPlan:
    """An agent of plain neurons."""
    return dqn2snn.convert(
        agents.agent("cartpole"), agents.observations("cartpole"), recipe="tan2021", num_steps=9
    ).plan


def burst_plan() -> SpikingPlan:
    """An agent of signed bursts with currents for single steps."""
    plan = of_kind("signed burst", plain_plan())
    generator = torch.Generator().manual_seed(1)
    first, *others = plan.layers
    biased = [
        replace(layer, step_bias=torch.randint(-64, 65, (9, layer.shape[0]), generator=generator) / 512)
        for layer in others
    ]
    return replace(plan, layers=(first, *biased))


@pytest.mark.parametrize("make", MAKERS)
@settings(max_examples=50)
@given(case=general_plans(), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_the_modules_fire_as_the_oracle(
    make: Callable[[SpikingPlan], Any], case: tuple[SpikingPlan, Episodes], dtype: torch.dtype
) -> None:
    plan, episodes = case
    observations = episodes.observations[0]
    with torch.no_grad():
        record, _ = simulate_modules(
            adapted(make(plan).to(dtype)), plan, observations, plan.num_steps, spikes=True
        )
        expected = simulate_reference(plan, observations, plan.num_steps, spikes=True)
    assert_same_spikes(record, expected)
    assert_same_q_values(record, expected)
    for sent, wanted in zip(record.sent, expected.sent, strict=True):
        assert torch.equal(sent.double(), wanted)
    assert record.q.dtype == dtype


def records(plan: SpikingPlan, observations: Tensor) -> tuple[Tensor, Tensor]:
    expected = simulate_reference(plan, observations, 9, spikes=True)
    assert expected.spikes is not None
    return expected.spikes[-1].float(), expected.q.float()


def test_snntorchs_own_loops_give_the_same() -> None:
    plan, observations = burst_plan(), agents.observations("cartpole")[:5]
    net = to_snntorch(plan)
    sequential = net.to_sequential()
    with torch.no_grad():
        spk_rec, mem_rec = net(observations)
        assert torch.equal(spk_rec, records(plan, observations)[0])
        for batch in (5, 2):
            for _ in range(2):
                utils.reset(sequential)
                steps = [sequential(observations[:batch]) for _ in range(9)]
                assert torch.equal(torch.stack([spk for spk, _ in steps]), spk_rec[:, :batch])
                assert torch.equal(torch.stack([mem for _, mem in steps]), mem_rec[:, :batch])


def test_norses_own_loops_give_the_same() -> None:
    plan, observations = burst_plan(), agents.observations("cartpole")[:5]
    net = to_norse(plan)
    with torch.no_grad():
        spikes, state = norse.Lift(net)(observations.expand(9, *observations.shape))
        first, middle = norse.Lift(net)(observations.expand(4, *observations.shape))
        rest, last = norse.Lift(net)((observations.expand(5, *observations.shape), middle))
    assert torch.equal(spikes, records(plan, observations)[0])
    assert torch.equal(torch.cat([first, rest]), spikes)
    assert torch.equal(last[-1].v, state[-1].v)


def test_both_libraries_have_the_same_gradients_and_reach_every_parameter() -> None:
    plan, observations = burst_plan(), agents.observations("cartpole")[:16]
    net, twin = to_snntorch(plan).double(), to_norse(plan).double()
    spk_rec, mem_rec = net(observations)
    (spk_rec.sum(0) + mem_rec[-1]).square().sum().backward()
    spikes, state = norse.Lift(twin)(observations.expand(9, *observations.shape))
    (spikes.sum(0) + state[-1].v - twin[-1].v_0).square().sum().backward()
    for (name, ours), theirs in zip(net.named_parameters(), twin.parameters(), strict=True):
        assert ours.grad is not None, name
        assert ours.grad.abs().sum() > 0, name
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("recipe", ["burst", "sigma_delta"])
def test_training_changes_the_answer_for_the_better(make: Callable[[SpikingPlan], Any], recipe: str) -> None:
    agent, observations = agents.agent("cartpole"), agents.observations("cartpole")
    plan = dqn2snn.convert(agent, observations, recipe=recipe, num_steps=8).plan
    net, batch = make(plan), observations[:32]
    target = agent(batch).detach() + 3.0
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        record, _ = simulate_modules(adapted(net), plan, batch, 8)
        loss = torch.nn.functional.mse_loss(record.q[-1], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_q_values_of_a_record_have_the_gradients_of_its_spikes_and_membranes() -> None:
    plan, observations = burst_plan(), agents.observations("cartpole")[:16]
    net, twin = to_snntorch(plan).double(), to_snntorch(plan).double()
    simulate_modules(adapted(net), plan, observations, 9)[0].q[-1].sum().backward()
    spk_rec, mem_rec = twin(observations)
    RobustRate(twin.output.threshold, scale=plan.readout_scale)(spk_rec, mem_rec).sum().backward()
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        assert ours.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_currents_of_steps_are_parameters_that_are_saved() -> None:
    state = to_snntorch(burst_plan()).state_dict()
    assert "step_bias1.currents.step_bias" in state
    assert sum(name.endswith("step_bias") for name, _ in to_norse(burst_plan()).named_parameters()) == 1


def test_plain_layers_keep_plain_neurons() -> None:
    plan = of_kind("signed burst", plain_plan())
    assert [type(m) for m in to_snntorch(plan).stateful] == [GradedIF] * len(plan.layers) + [IF]
    cells = [m for m in to_norse(plan) if isinstance(m, (IFCell, GradedIFCell))]
    assert [type(m) for m in cells] == [GradedIFCell] * len(plan.layers) + [IFCell]


@pytest.mark.parametrize("make", MAKERS)
def test_spikes_that_are_times_are_refused(make: Callable[[SpikingPlan], Any]) -> None:
    plan = replace(plain_plan(), coding=coding_named("latency"))
    with pytest.raises(PlanError, match=r"Found coding='latency'.*engine=\"torch\""):
        make(plan)
