"""One spike per neuron: the closed form against the step by step oracle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings

from dqn2snn.engine.latency import latency_reference, levels
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes import ttfs
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.agents import NAMES, agent, observations
from tests.geometries import Case, cases


def made(case: Case) -> SpikingPlan:
    graph = case.graph
    stats = calibrate(graph, case.observations)
    assume(all(float(layer.maximum.max()) > 0 for layer in stats.layers[:-1]))
    try:
        return ttfs(graph, stats, num_steps=case.num_steps)
    except PlanError:
        assume(False)
        raise


@given(cases())
@settings(max_examples=40, deadline=None)
def test_the_closed_form_is_the_step_by_step_simulation(case: Case) -> None:
    plan = made(case)
    exact = latency_reference(plan, case.observations, case.num_steps, spikes=True)
    for dtype in (torch.float32, torch.float64):
        fast = simulate_layerwise(plan, case.observations, case.num_steps, spikes=True, dtype=dtype)
        assert fast.spikes is not None
        assert exact.spikes is not None
        assert all(torch.equal(a, b) for a, b in zip(fast.spikes, exact.spikes, strict=True))
        assert all(torch.equal(a.double(), b) for a, b in zip(fast.counts, exact.counts, strict=True))
        torch.testing.assert_close(
            fast.q.double(), exact.q, rtol=1e-5, atol=1e-5 * float(exact.q.abs().max() + 1e-9)
        )


@given(cases())
@settings(max_examples=20, deadline=None)
def test_a_neuron_fires_once_at_the_time_that_tells_its_level(case: Case) -> None:
    plan = made(case)
    record = latency_reference(plan, case.observations, case.num_steps, spikes=True)
    assert record.spikes is not None
    told = levels(plan.cast(torch.float64), case.observations, case.num_steps)
    for train, n, count in zip(record.spikes, told, record.counts, strict=False):
        assert torch.equal(train.sum(0).double(), count)
        assert torch.equal(count, (n > 0).double())
        times = train.double().argmax(0)
        assert torch.equal(times[n > 0], (case.num_steps - n[n > 0]).long())


@pytest.mark.parametrize("name", NAMES)
def test_agents_take_their_decisions_with_a_spike_per_neuron(name: str) -> None:
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    plan = ttfs(graph, calibrate(graph, seen), num_steps=128)
    record = simulate_layerwise(plan, seen[:200], 128)
    q = network(seen[:200])
    regret = (q.amax(1) - q.gather(1, record.q[-1].argmax(1, keepdim=True))[:, 0]).mean()
    assert float(regret) < 0.02 * float((q.amax(1) - q.amin(1)).mean())
    assert float(record.sent[0].max()) <= 1


def test_fewer_steps_than_the_plan_was_made_for() -> None:
    seen = observations("cartpole")
    graph = trace(agent("cartpole"), (4,))
    plan = ttfs(graph, calibrate(graph, seen), num_steps=64)
    exact, fast = latency_reference(plan, seen[:20], 5), simulate_layerwise(plan, seen[:20], 5)
    assert exact.q.shape == (5, 20, 2)
    torch.testing.assert_close(fast.q.double(), exact.q, rtol=1e-5, atol=1e-4)
