"""The paper's recipe against a re-implementation in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import dqn2snn
from dqn2snn.errors import CalibrationError
from dqn2snn.recipes import Recipe, tan2021
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.agents import agent, observations
from tests.recipes import textbook

VECTOR_AGENTS = ("acrobot", "cartpole", "lunarlander")


@pytest.mark.parametrize("name", VECTOR_AGENTS)
@pytest.mark.parametrize("percentile", [99.0, 99.9, 100.0])
def test_agents_are_scaled_as_in_the_paper(name: str, percentile: float) -> None:
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    stats = calibrate(graph, seen, (percentile,))
    plan = tan2021(graph, stats, percentile=percentile, grid=None)
    layers = textbook.parameters(network)
    scales = textbook.percentile_scales(layers, seen.double().numpy(), percentile)
    found = [stats.percentile(i, percentile) for i in range(len(scales))]
    np.testing.assert_allclose(found, scales, rtol=1e-4)  # calibration sees float32 pre-activations
    if found[-1] <= 0:
        found[-1] = plan.readout_scale
    for layer, (weight, bias) in zip(plan.all_layers, textbook.normalised(layers, found), strict=True):
        np.testing.assert_allclose(layer.affine.weight.numpy(), weight, rtol=1e-14)
        np.testing.assert_allclose(layer.affine.bias.numpy(), bias, rtol=1e-14)
        assert layer.threshold == 1
        assert layer.v_init == 0
        assert layer.reset == "subtract"
    assert plan.readout_scale == found[-1]
    assert (plan.recipe, plan.num_steps) == ("tan2021", 500)
    assert "arXiv 2009.14456" in plan.reference


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
@pytest.mark.parametrize("num_steps", [1, 7, 100])
def test_agents_answer_as_the_numpy_simulation_does(name: str, num_steps: int) -> None:
    """Without a grid, in float64; the scales are those of calibration, so that no rounding moves a spike."""
    network, seen = agent(name), observations(name)
    snn = dqn2snn.convert(network, seen, recipe="tan2021", num_steps=num_steps, grid=None, engine="reference")
    record = snn.record(seen[:200])
    scales = list(snn.plan.report["scales"].values())
    layers = textbook.normalised(textbook.parameters(network), scales)
    counts, voltage = textbook.simulate(layers, seen[:200].double().numpy(), num_steps)
    for found, expected in zip(record.counts, counts, strict=True):
        assert (
            found.numpy() != expected
        ).mean() < 1e-3  # where a membrane meets the threshold to the last bit
    q = scales[-1] * (counts[-1] + voltage) / num_steps
    differing = np.abs(record.q[-1].numpy() - q).max(1) > 1e-9 * np.abs(q).max()
    assert differing.mean() < 0.02
    np.testing.assert_allclose(
        record.q_spike[-1].numpy()[~differing], scales[-1] * counts[-1][~differing] / num_steps, rtol=1e-12
    )


@given(st.integers(0, 2**16), st.floats(90, 100), st.integers(1, 60))
@settings(max_examples=25)
def test_random_networks_answer_as_the_numpy_implementation(
    seed: int, percentile: float, num_steps: int
) -> None:
    """End to end: percentile, scaling, simulation and both readouts."""
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Linear(3, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=generator)
    seen = torch.randn(64, 3, generator=generator).double()
    layers = textbook.parameters(network)
    expected, spikes_only = textbook.tan2021(layers, seen.numpy(), seen.numpy(), percentile, num_steps)
    try:
        snn = dqn2snn.convert(
            network,
            seen,
            recipe=Recipe("tan2021", percentile=percentile),
            num_steps=num_steps,
            grid=None,
            engine="reference",
        )
    except CalibrationError:  # a layer that is active less often than that
        assert min(textbook.percentile_scales(layers, seen.numpy(), percentile)[:-1]) <= 1e-6
        return
    head = textbook.percentile_scales(layers, seen.numpy(), percentile)[-1]
    record = snn.record(seen)
    # Calibration sees float32, so scales differ in the eighth digit, and one spike in thousands moves.
    close = np.abs(record.q[-1].numpy() - expected) < 1e-4 * np.abs(expected).max()
    assert close.mean() > 0.9
    if snn.plan.readout_scale == pytest.approx(head):
        same = np.abs(record.q_spike[-1].numpy() - spikes_only) < 1e-4 * np.abs(spikes_only).max() + 1e-12
        assert same.mean() > 0.9


def test_the_head_is_scaled_like_every_other_layer() -> None:
    """Its firing rate saturates at the percentile, which is what the spike-count readout shows."""
    seen = observations("lunarlander")
    snn = dqn2snn.convert(agent("lunarlander"), seen, recipe="tan2021", num_steps=200)
    record = snn.record(seen)
    assert float(record.q_spike.max()) <= snn.plan.readout_scale
    assert float(record.q_spike.min()) >= 0
    assert float(record.q[-1].min()) < 0
