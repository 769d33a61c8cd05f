"""The pieces of the recipes: scales through poolings and reshapes, baselines, thresholds, the units of a grid."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dqn2snn.engine import simulate_reference
from dqn2snn.plan.graph import LayerGraph, per_channel
from dqn2snn.recipes import bu2022, burst, deng2021, diehl2015, rate
from dqn2snn.recipes._balance import balanced
from dqn2snn.recipes._baseline import baselines, folded
from dqn2snn.recipes._channels import scaled_affine, shared_where_mixed
from dqn2snn.recipes._thresholds import best_scale
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from tests.agents import NAMES, agent, observations
from tests.geometries import Case, cases

DOUBLE = torch.float64


def random_scales(graph: LayerGraph, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [0.1 + torch.rand(layer.out_shape[0], generator=generator, dtype=DOUBLE) for layer in graph.layers]


@given(cases(), st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_scales_of_channels_change_the_units_of_activations_and_nothing_else(case: Case, seed: int) -> None:
    """Through convolutions with groups, paddings, poolings and reshapes."""
    graph = case.graph
    scales = shared_where_mixed(graph, random_scales(graph, seed))
    outgoing = [*scales, torch.tensor(3.0, dtype=DOUBLE)]
    layers = [
        scaled_affine(layer, before, now)
        for layer, before, now in zip(graph.all_layers, [None, *scales], outgoing, strict=True)
    ]
    scaled = replace(graph, layers=tuple(layers[:-1]), head=layers[-1])
    x = case.observations.double()
    for z, w, scale in zip(graph.pre_activations(x), scaled.pre_activations(x), outgoing, strict=True):
        torch.testing.assert_close(w * scale, z, rtol=1e-9, atol=1e-9 * float(z.abs().max()))


def test_channels_keep_their_own_scales_through_a_pooling_and_a_flattening() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(27, 2)
    )
    graph = trace(network, (1, 6, 6))
    scales = random_scales(graph, 0)
    (shared,) = shared_where_mixed(graph, scales)
    assert torch.equal(shared, per_channel(scales[0], (3, 4, 4)).expand(3, 4, 4))


def test_channels_that_the_next_weights_cannot_tell_apart_share_the_largest_scale() -> None:
    network = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Unflatten(1, (2, 2, 2)), nn.Conv2d(2, 3, 2), nn.Flatten()
    )
    graph = trace(network, (4,))
    (shared,) = shared_where_mixed(graph, random_scales(graph, 0))
    assert float(shared.min()) == float(shared.max()) == float(random_scales(graph, 0)[0].max())


# Baselines


@given(cases())
@settings(max_examples=40, deadline=None)
def test_folding_is_exact_where_no_activation_falls_below_its_baseline(case: Case) -> None:
    graph = case.graph
    stats = calibrate(graph, case.observations)
    m = [layer.minimum.clamp(min=0) * 0.999 for layer in stats.layers[:-1]]
    other = folded(graph, m)
    x = case.observations.double()
    q = graph(x)
    torch.testing.assert_close(other(x), q, rtol=1e-6, atol=1e-6 * float(q.abs().max()))


@pytest.mark.parametrize("name", ["cartpole", "minatar-asterix"])
def test_agents_with_a_baseline_answer_the_same_and_fire_less(name: str) -> None:
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    stats = calibrate(graph, seen)
    m = baselines(stats)
    assert any(bool(each.any()) for each in m)
    assert all(
        bool((each <= layer.minimum.clamp(min=0)).all()) for each, layer in zip(m, stats.layers, strict=False)
    )
    x = seen.double()
    torch.testing.assert_close(folded(graph, m)(x), graph(x), rtol=1e-6, atol=1e-6)
    with_it, without = (
        simulate_reference(rate(graph, stats, num_steps=8, fold=fold), seen[:64], 8) for fold in (True, False)
    )
    assert sum(float(n.sum()) for n in with_it.sent) < sum(float(n.sum()) for n in without.sent)


def test_below_its_baseline_an_activation_is_the_baseline() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), (1.0, 0.0, 1.0, 0.0), strict=True):
            parameter.fill_(value)
    graph = trace(network, (1,))
    other = folded(graph, [torch.tensor([2.0], dtype=DOUBLE)])
    assert other(torch.tensor([[3.0], [2.0], [1.0]], dtype=DOUBLE)).flatten().tolist() == [3.0, 2.0, 2.0]


# Thresholds


def rounding_error(a: Tensor, scale: Tensor, levels: int) -> Tensor:
    step = scale[:, None] / levels
    return ((a - (a / step + 0.5).floor().clamp(0, levels) * step) ** 2).sum(1)


@given(st.integers(0, 2**16), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_the_best_scale_is_no_worse_than_the_largest_activation_or_a_percentile(
    seed: int, levels: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(5, 300, generator=generator) ** 3
    a = z.clamp(min=0).double()
    found = best_scale(z, levels)
    largest = a.amax(1)
    error = rounding_error(a, found, levels)
    assert bool((error <= rounding_error(a, largest, levels) * (1 + 1e-4) + 1e-9).all())
    for share in (0.9, 0.8, 0.5):
        assert bool((error <= rounding_error(a, largest * share, levels) * (1 + 1e-4) + 1e-9).all())


def test_a_row_without_activations_has_no_scale() -> None:
    assert best_scale(torch.tensor([[-1.0, -2.0], [-1.0, 2.0]]), 8).tolist() == [0.0, 2.0]


def test_a_channel_that_is_hardly_active_takes_a_share_of_its_layer() -> None:
    network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        network[0].bias.copy_(torch.tensor([0.0, 1e-6]))
    graph = trace(network, (1,))
    stats = calibrate(graph, torch.linspace(0, 6.4, 100)[:, None])
    plan = rate(graph, stats, threshold="max", fold=False, grid=None)
    assert plan.layers[0].affine.weight.flatten().tolist() == pytest.approx([1 / 6.4, -10.0], rel=1e-6)


# Units


@given(cases(), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_units_that_suit_a_grid_change_no_spike(case: Case, seed: int) -> None:
    graph = case.graph
    stats = calibrate(graph, case.observations)
    assume(all(float(layer.maximum.max()) > 0 for layer in stats.layers[:-1]))
    raw = burst(graph, stats, num_steps=case.num_steps, max_spikes=1 + seed % 9, grid=None)
    other = balanced(raw, "auto")
    first, second = (
        simulate_reference(p, case.observations, case.num_steps, spikes=True) for p in (raw, other)
    )
    assert first.spikes is not None
    assert second.spikes is not None
    assert all(torch.equal(a, b) for a, b in zip(first.spikes[:-1], second.spikes[:-1], strict=True))
    torch.testing.assert_close(first.q, second.q)


@pytest.mark.parametrize("name", NAMES)
def test_every_neuron_of_an_agent_has_a_fine_grid(name: str) -> None:
    """A grid step is at most one part in 2^8 of a hidden threshold, at 500 levels."""
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    for layer in rate(graph, calibrate(graph, seen), num_steps=500).layers:
        assert layer.fraction_bits is not None
        assert float(layer.threshold.min()) * 2**layer.fraction_bits >= 2**8


# Rules of one threshold for a layer


def test_half_a_threshold_at_once_or_spread_over_the_steps() -> None:
    name = "acrobot"
    network, seen = agent(name), observations(name)
    graph = trace(network, tuple(seen.shape[1:]))
    stats = calibrate(graph, seen)
    plain, shifted, begun = (
        recipe(graph, stats, num_steps=50, grid=None) for recipe in (diehl2015, deng2021, bu2022)
    )
    for a, b, c in zip(plain.layers, shifted.layers, begun.layers, strict=True):
        assert torch.equal(b.affine.weight, a.affine.weight)
        torch.testing.assert_close(50 * (b.affine.bias - a.affine.bias), torch.full_like(a.affine.bias, 0.5))
        assert torch.equal(c.affine.bias, a.affine.bias)
        assert (float(a.v_init), float(b.v_init), float(c.v_init)) == (0.0, 0.0, 0.5)
    assert torch.equal(shifted.output.affine.bias, plain.output.affine.bias)
    assert float(begun.output.v_init) == 0
    first = [simulate_reference(p, seen[:200], 50).counts[0] for p in (shifted, begun)]
    assert float((first[0] != first[1]).double().mean()) < 1e-3  # a constant current: the same after T steps
