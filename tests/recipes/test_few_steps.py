"""The recipes for few steps against their equations in numpy, where nothing is folded into weights."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dqn2snn.engine import simulate_reference
from dqn2snn.engine.latency import latency_reference
from dqn2snn.errors import ArgumentError, CalibrationError
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import Recipe, burst, rate, rate_if, sigma_delta, ttfs, xu2026
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import ActivationStats, calibrate
from tests.recipes import textbook


def mlp(seed: int, *widths: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        modules += [nn.Linear(before, after), nn.ReLU()]
    network = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.5, generator=generator)
    return network.double()


def calibrated(seed: int, *widths: int) -> tuple[nn.Sequential, Tensor, LayerGraph, ActivationStats]:
    network = mlp(seed, *widths)
    seen = torch.randn(200, widths[0], generator=torch.Generator().manual_seed(seed + 1)).double()
    graph = trace(network, (widths[0],))
    return network, seen, graph, calibrate(graph, seen)


def scales_of(network: nn.Sequential, stats: ActivationStats, levels: int) -> list[np.ndarray]:
    """The largest activation of each neuron; where that is next to nothing, the least that has a grid."""
    layers = textbook.parameters(network)
    found: list[np.ndarray] = []
    for i, (weight, bias) in enumerate(layers[:-1]):
        scale = stats.channel_percentile(i, 100.0, of="activation").numpy()
        travels = np.abs(weight) @ found[-1] + np.abs(bias) if i else np.abs(bias)
        least = travels * levels * 2.0 ** (1 + (9 if i else 14) - 24)
        found.append(np.maximum(scale, np.clip(least, scale.max() / 64, scale.max())))
    return found


def differing(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-6) -> float:
    """Share of observations whose numbers differ; a membrane that meets a threshold to the last bit may fire or not."""
    return float((np.abs(a - b).reshape(len(a), -1).max(1) > tolerance * max(1.0, np.abs(b).max())).mean())


@given(st.integers(0, 2**16), st.integers(1, 40), st.sampled_from([1, 3, 8]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_spikes_and_q_values_are_those_of_the_equations(
    seed: int, num_steps: int, k: int, signed: bool
) -> None:
    network, seen, graph, stats = calibrated(seed, 3, 9, 7, 4)
    plan = burst(
        graph,
        stats,
        num_steps=num_steps,
        max_spikes=k,
        threshold="max",
        fold=False,
        readout="rate",
        signed=signed,
        grid=None,
    )
    record = simulate_reference(plan, seen, num_steps)
    quanta = [scale / k for scale in scales_of(network, stats, num_steps * k)]
    counts, q = textbook.neurons(textbook.parameters(network), quanta, seen.numpy(), num_steps, k, signed)
    for found, expected in zip(record.counts[1:-1], counts[1:], strict=True):
        assert differing(found.numpy(), expected) < 0.05
    assert differing(record.q[-1].numpy(), q) < 0.05


@pytest.mark.parametrize(("recipe", "signed"), [(rate, True), (rate_if, False)])
def test_rate_is_burst_of_one_spike(recipe: Recipe, signed: bool) -> None:
    _, seen, graph, stats = calibrated(3, 3, 9, 7, 4)
    one = recipe(graph, stats, num_steps=24)
    other = burst(graph, stats, num_steps=24, max_spikes=1, signed=signed)
    assert torch.equal(simulate_reference(one, seen, 24).q, simulate_reference(other, seen, 24).q)
    assert one.layers[0].signed is signed


def test_the_first_layer_and_a_signed_network_of_many_steps_tell_rounded_activations() -> None:
    """What unevenness does is undone by spikes that are taken back: counts become those of the rounded network."""
    network, seen, graph, stats = calibrated(5, 3, 9, 7, 4)
    num_steps = 400
    plan = rate(graph, stats, num_steps=num_steps, threshold="max", fold=False, readout="rate", grid=None)
    q = simulate_reference(plan, seen, num_steps).q[-1].numpy()
    scales = scales_of(network, stats, num_steps)
    expected = textbook.quantised(textbook.parameters(network), scales, seen.numpy(), num_steps)
    plain = rate_if(graph, stats, num_steps=num_steps, threshold="max", fold=False, readout="rate", grid=None)
    other = simulate_reference(plain, seen, num_steps).q[-1].numpy()
    assert np.abs(q - expected).mean() < 0.5 * np.abs(other - expected).mean()
    assert np.abs(q - expected).mean() < 2e-3 * np.abs(expected).mean()


@given(st.integers(0, 2**16), st.integers(2, 60))
@settings(max_examples=20, deadline=None)
def test_one_timed_spike_per_neuron_is_the_network_of_rounded_activations(seed: int, num_steps: int) -> None:
    network, seen, graph, stats = calibrated(seed, 3, 9, 7, 4)
    plan = ttfs(graph, stats, num_steps=num_steps, threshold="max", fold=False, grid=None)
    record = latency_reference(plan, seen, num_steps)
    scales = scales_of(network, stats, num_steps)
    expected = textbook.quantised(textbook.parameters(network), scales, seen.numpy(), num_steps)
    assert differing(record.q[-1].numpy(), expected) < 0.05
    assert all(float(count.max()) <= 1 for count in record.counts[:-1])


@given(st.integers(0, 2**16), st.integers(2, 40), st.sampled_from([1, 2, 8]), st.integers(1, 30))
@settings(max_examples=20, deadline=None)
def test_sigma_delta_from_rest_obeys_its_equations(seed: int, levels: int, k: int, num_steps: int) -> None:
    network, seen, graph, stats = calibrated(seed, 3, 9, 7, 4)
    plan = sigma_delta(
        graph, stats, num_steps=num_steps, levels=levels, max_spikes=k, threshold="max", fold=False, grid=None
    )
    q = simulate_reference(plan, seen, num_steps).q[-1].numpy()
    quanta = [scale / levels for scale in scales_of(network, stats, levels)]
    layers = textbook.parameters(network)
    expected = textbook.sigma_delta(layers, quanta, seen.numpy(), num_steps, k, levels)
    assert differing(q, expected) < 0.05


@given(st.integers(0, 2**16), st.integers(2, 40), st.sampled_from([1, 2, 8]))
@settings(max_examples=20, deadline=None)
def test_a_settled_sigma_delta_network_is_the_one_of_rounded_activations(
    seed: int, levels: int, k: int
) -> None:
    network, seen, graph, stats = calibrated(seed, 3, 9, 7, 4)
    plan = sigma_delta(
        graph, stats, levels=levels, max_spikes=k, threshold="max", fold=False, grid=None, num_steps=1
    )
    steps = plan.num_steps + plan.warmup_steps
    q = simulate_reference(plan, seen, steps).q[-1].numpy()
    scales = scales_of(network, stats, levels)
    expected = textbook.quantised(textbook.parameters(network), scales, seen.numpy(), levels)
    assert differing(q, expected) < 0.05


def test_sigma_delta_keeps_biases_in_membranes_and_levels_in_bounds() -> None:
    _, seen, graph, stats = calibrated(1, 3, 9, 7, 4)
    plan = sigma_delta(graph, stats, levels=16, max_spikes=4)
    assert (plan.coding.name, plan.num_steps, plan.warmup_steps) == ("delta", 4, 2 * 4 + 2 * 3)
    assert all(layer.max_count == 16 and layer.signed for layer in plan.layers)
    assert all(not bool(layer.affine.bias.any()) for layer in plan.all_layers[1:])
    assert bool(plan.layers[0].affine.bias.any())
    counts = simulate_reference(plan, 100 * seen, 40).counts
    assert all(float(n.min()) >= 0 and float(n.max()) <= 16 for n in counts[:-1])


def test_xu_carries_sixteenths() -> None:
    _, _, graph, stats = calibrated(1, 3, 9, 4)
    assert xu2026(graph, stats, carry=0.3).carry == 5 / 16
    assert xu2026(graph, stats, carry=0).carry == 0
    for carry in (-0.1, 1.1, True, "x"):
        with pytest.raises(ArgumentError, match="Expected carry from 0 to 1"):
            xu2026(graph, stats, carry=carry)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", [rate, rate_if, burst, sigma_delta, ttfs])
@pytest.mark.parametrize("threshold", ["least", 0.999, 101, True])
def test_unknown_thresholds_are_refused(recipe: Recipe, threshold: str | float) -> None:
    _, _, graph, stats = calibrated(1, 3, 9, 4)
    with pytest.raises(ArgumentError, match="Expected"):
        recipe(graph, stats, threshold=threshold)


def test_other_options_out_of_range_are_refused() -> None:
    _, _, graph, stats = calibrated(1, 3, 9, 4)
    with pytest.raises(CalibrationError, match="percentiles taken"):
        rate(graph, stats, threshold=97.0)
    for k in (0, 128, 2.0, True):
        with pytest.raises(ArgumentError, match="max_spikes from 1 to 127"):
            burst(graph, stats, max_spikes=k)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="number of levels"):
        sigma_delta(graph, stats, levels=0)
    with pytest.raises(ArgumentError, match="readout"):
        rate(graph, stats, readout="count")  # type: ignore[arg-type]


def test_the_slope_of_the_charge_errs_less_than_its_mean() -> None:
    network, seen, graph, stats = calibrated(2, 4, 32, 32, 3)
    exact = network(seen).detach()
    slope = rate(graph, stats, num_steps=32, grid=None)
    mean = replace(slope, readout="rate")
    errors = [float((simulate_reference(p, seen, 32).q[-1] - exact).abs().mean()) for p in (slope, mean)]
    assert errors[0] < 0.7 * errors[1]
