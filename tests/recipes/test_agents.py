"""Every recipe converts every shipped agent, on the grid, with the same spikes in float32 as in float64."""

from __future__ import annotations

import pytest
import torch

from dqn2snn.dynamics.record import Record
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes import burst, entry_named, names_of, rate, sigma_delta
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.agents import NAMES, agent, observations


def both(plan: SpikingPlan, name: str, steps: int) -> tuple[Record, Record]:
    seen = observations(name)[:6]
    return simulate_reference(plan, seen, steps, spikes=True), simulate_layerwise(
        plan, seen, steps, spikes=True
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("recipe", names_of("rule"))
def test_every_recipe_converts_every_agent_exactly(recipe: str, name: str) -> None:
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    plan = entry_named(recipe, "rule").function(graph, calibrate(graph, seen[:200]))
    assert plan.on_grid
    exact, fast = both(plan, name, min(plan.num_steps, 40))
    assert exact.spikes is not None
    assert fast.spikes is not None
    assert all(torch.equal(a, b) for a, b in zip(exact.spikes, fast.spikes, strict=True))
    torch.testing.assert_close(fast.q.double(), exact.q, rtol=1e-5, atol=1e-5 * float(exact.q.abs().max()))


@pytest.mark.parametrize("name", NAMES)
def test_every_agent_has_a_grid_for_many_levels(name: str) -> None:
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    stats = calibrate(graph, seen)
    for plan in (
        rate(graph, stats, num_steps=500),
        burst(graph, stats, num_steps=128, max_spikes=8),
        sigma_delta(graph, stats, levels=256, max_spikes=16),
    ):
        assert plan.on_grid
        exact, fast = both(plan, name, 12)
        assert exact.spikes is not None
        assert fast.spikes is not None
        assert all(torch.equal(a, b) for a, b in zip(exact.spikes, fast.spikes, strict=True))
