"""Decisions in sequence through the native modules: each from the state of the last, spike by spike as the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from dqn2snn.dynamics.codings.delta import CODING as DELTA
from dqn2snn.dynamics.record import Record
from dqn2snn.dynamics.state import at_rest, merged
from dqn2snn.engine.modules import simulate_modules
from dqn2snn.engine.reference import advance_reference
from dqn2snn.neurons import norse as ours
from dqn2snn.neurons.norse import to_norse
from dqn2snn.neurons.snntorch import reset_rows, to_snntorch
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState
from tests import agents
from tests.neurons.adapting import adapted
from tests.neurons.general_plans import Episodes, general_plans
from tests.properties import assert_same_q_values

MAKERS = [to_snntorch, to_norse]
DTYPES = st.sampled_from([torch.float32, torch.float64])


def begun(plan: SpikingPlan, state: NetworkState, episode_start: Tensor) -> NetworkState:
    """The state before a decision, at rest where an episode begins."""
    return merged(plan.coding.between(plan, state), episode_start, at_rest(plan, int(episode_start.sum())))


def oracle(plan: SpikingPlan, episodes: Episodes) -> Iterator[tuple[Record, NetworkState]]:
    """What the float64 step loop makes of every decision."""
    exact = plan.cast(torch.float64)
    state = at_rest(exact, episodes.episode_start.shape[1])
    for observations, episode_start in zip(episodes.observations, episodes.episode_start, strict=True):
        state = begun(exact, state, episode_start)
        record, state = advance_reference(exact, observations, episodes.num_steps, state, spikes=True)
        yield record, state


def assert_same_record(actual: Record, expected: Record) -> None:
    assert actual.spikes is not None
    assert expected.spikes is not None
    for got, want in zip(
        (*actual.spikes, *actual.counts, *actual.sent),
        (*expected.spikes, *expected.counts, *expected.sent),
        strict=True,
    ):
        assert torch.equal(got.double(), want.double())
    for got, want in zip(actual.spikes, expected.spikes, strict=True):
        assert got.dtype == want.dtype
    assert_same_q_values(actual, expected)


def assert_same_state(actual: NetworkState, expected: NetworkState) -> None:
    for got, want in zip(actual.layers, expected.layers, strict=True):
        assert torch.equal(got.membrane.double(), want.membrane)
        assert torch.equal(got.count.double(), want.count)
    assert torch.equal(actual.current.double(), expected.current)


def assert_streams_as_the_oracle(
    network: Any, plan: SpikingPlan, episodes: Episodes, dtype: torch.dtype
) -> None:
    network, ready = network.to(dtype), plan.cast(dtype)
    state = at_rest(ready, episodes.episode_start.shape[1])
    wanted = oracle(plan, episodes)
    with torch.no_grad():
        for observations, episode_start, (expected, after) in zip(
            episodes.observations, episodes.episode_start, wanted, strict=True
        ):
            state = begun(ready, state, episode_start)
            kept = [neurons.membrane.clone() for neurons in state.layers]
            record, new = simulate_modules(
                adapted(network), plan, observations, episodes.num_steps, state, spikes=True
            )
            assert_same_record(record, expected)
            assert_same_state(new, after)
            assert new.current.dtype == dtype
            assert all(torch.equal(a, b.membrane) for a, b in zip(kept, state.layers, strict=True))
            state = new


@pytest.mark.parametrize("make", MAKERS)
@settings(max_examples=25)
@given(case=general_plans(DELTA), dtype=DTYPES)
def test_networks_that_remember_go_on_as_the_oracle(
    make: Callable[[SpikingPlan], Any], case: tuple[SpikingPlan, Episodes], dtype: torch.dtype
) -> None:
    plan, episodes = case
    assert_streams_as_the_oracle(make(plan), plan, episodes, dtype)


@pytest.mark.parametrize("make", MAKERS)
@settings(max_examples=25)
@given(case=general_plans(), carry=st.integers(0, 16), dtype=DTYPES)
def test_what_is_left_in_membranes_can_be_carried_over(
    make: Callable[[SpikingPlan], Any], case: tuple[SpikingPlan, Episodes], carry: int, dtype: torch.dtype
) -> None:
    plan, episodes = case
    assert_streams_as_the_oracle(make(plan), replace(plan, carry=carry / 16), episodes, dtype)


@settings(max_examples=25)
@given(case=general_plans(DELTA), dtype=DTYPES)
def test_states_of_snntorch_are_handed_in_and_out(
    case: tuple[SpikingPlan, Episodes], dtype: torch.dtype
) -> None:
    plan, episodes = case
    net, state = to_snntorch(plan).to(dtype), None
    neurons = net.output
    with torch.no_grad():
        for observations, episode_start, (expected, after) in zip(
            episodes.observations, episodes.episode_start, oracle(plan, episodes), strict=True
        ):
            spk_rec, mem_rec, state = net.present(observations, state, episode_start, episodes.num_steps)
            assert expected.spikes is not None
            assert torch.equal(spk_rec.bool(), expected.spikes[-1])
            assert torch.equal((mem_rec[-1] + neurons.v_init).double(), after.layers[-1].membrane)
            count, mem = state[-1]
            q = plan.readout_scale * (count + (mem + neurons.v_init) / neurons.threshold)
            torch.testing.assert_close(q.double(), expected.q[-1], rtol=1e-5, atol=1e-5 * plan.readout_scale)


@settings(max_examples=25)
@given(case=general_plans(DELTA), dtype=DTYPES)
def test_a_sequential_of_snntorch_keeps_its_state(
    case: tuple[SpikingPlan, Episodes], dtype: torch.dtype
) -> None:
    plan, episodes = case
    net = to_snntorch(plan).to(dtype).to_sequential()
    with torch.no_grad():
        for _ in range(2):
            utils.reset(net)
            for observations, episode_start, (expected, _) in zip(
                episodes.observations, episodes.episode_start, oracle(plan, episodes), strict=True
            ):
                reset_rows(net, episode_start)
                steps = [net(observations) for _ in range(episodes.num_steps)]
                assert expected.spikes is not None
                assert torch.equal(torch.stack([spk.bool() for spk, _, _ in steps]), expected.spikes[-1])
                assert torch.equal(steps[-1][1].double(), expected.counts[-1])


@settings(max_examples=25)
@given(case=general_plans(DELTA), dtype=DTYPES)
def test_states_of_norse_are_handed_in_and_out(
    case: tuple[SpikingPlan, Episodes], dtype: torch.dtype
) -> None:
    plan, episodes = case
    net, state = to_norse(plan).to(dtype), None
    with torch.no_grad():
        for observations, episode_start, (expected, after) in zip(
            episodes.observations, episodes.episode_start, oracle(plan, episodes), strict=True
        ):
            if state is not None:
                state = ours.reset_rows(net, state, episode_start)
            repeated = observations.expand(episodes.num_steps, *observations.shape)
            spikes, state = norse.Lift(net)((repeated, state))
            assert expected.spikes is not None
            assert torch.equal(spikes.bool(), expected.spikes[-1])
            assert torch.equal(state[-1].v.double(), after.layers[-1].membrane)
            assert torch.equal(state[-1].n.double(), after.layers[-1].count)
            q = plan.readout_scale * (state[-1].n + state[-1].v / net[-1].v_th)
            torch.testing.assert_close(q.double(), expected.q[-1], rtol=1e-5, atol=1e-5 * plan.readout_scale)


def test_only_the_first_synapses_of_a_network_that_remembers_have_a_bias() -> None:
    agent, observations = agents.agent("cartpole"), agents.observations("cartpole")
    plan = dqn2snn.convert(agent, observations, recipe="sigma_delta").plan
    for net in (to_snntorch(plan), to_norse(plan)):
        biases = [name for name, _ in net.named_parameters() if name.endswith("bias")]
        assert len(biases) == 1
        assert "synapses.0" in biases[0]
