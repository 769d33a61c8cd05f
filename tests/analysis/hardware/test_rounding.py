"""Few-bit weights: whole numbers times powers of two, and better than the nearest where inputs go together."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dqn2snn.analysis.hardware._rounding import Per, compensated, exponents, nearest

bits_of = st.integers(2, 9)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 12))
seeds = st.integers(0, 2**31 - 1)


def weights(shape: tuple[int, int], seed: int, spread: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.exp(spread * torch.randn(shape[0], 1, generator=generator, dtype=torch.float64))
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def inputs(count: int, features: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    hidden = torch.randn(count, 2, generator=generator, dtype=torch.float64)
    mixed = hidden @ torch.randn(2, features, generator=generator, dtype=torch.float64)
    return mixed + 0.1 * torch.randn(count, features, generator=generator, dtype=torch.float64)


def covariance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)


@given(shapes, seeds, bits_of, st.sampled_from(["channel", "layer"]), st.integers(-4, 20))
def test_weights_are_whole_numbers_of_so_many_bits(
    shape: tuple[int, int], seed: int, bits: int, per: Per, most: int
) -> None:
    weight = weights(shape, seed)
    exponent = exponents(weight, torch.ones(shape[0]), bits, per, most)
    codes = nearest(weight, exponent, bits) * 2.0**exponent
    assert torch.equal(codes, codes.round())
    assert float(codes.abs().max()) <= 2 ** (bits - 1) - 1
    assert float(exponent.max()) <= most
    assert per == "channel" or len(exponent.unique()) == 1


@given(shapes, seeds, bits_of)
def test_no_other_exponent_is_nearer(shape: tuple[int, int], seed: int, bits: int) -> None:
    weight, most = weights(shape, seed), 40
    exponent = exponents(weight, torch.ones(shape[0]), bits, "channel", most)
    error = (nearest(weight, exponent, bits) - weight).square().sum(1)
    for step in (-2, -1, 1, 2):
        other = (exponent + step).clamp(max=most)
        assert bool((error <= (nearest(weight, other, bits) - weight).square().sum(1) + 1e-12 * error).all())


def test_a_layers_exponent_is_that_of_the_channels_that_matter() -> None:
    weight = torch.tensor([[100.0, -50.0], [0.9, 0.37]], dtype=torch.float64)
    for importance, expected in (([1.0, 0.0], 0), ([0.0, 1.0], 7)):
        exponent = exponents(weight, torch.tensor(importance), 8, "layer", 20)
        assert exponent.flatten().tolist() == [expected, expected]


@given(seeds, st.integers(2, 6), st.integers(2, 10))
def test_compensated_weights_change_the_output_less_than_the_nearest(
    seed: int, bits: int, features: int
) -> None:
    weight, x = weights((3, features), seed, spread=0.0), inputs(200, features, seed)
    moments = covariance(x, x)
    exponent = exponents(weight, torch.ones(3), bits, "channel", 30)
    made, plain = compensated(weight, moments, moments, exponent, bits), nearest(weight, exponent, bits)
    codes = made * 2.0**exponent
    assert torch.equal(codes, codes.round())
    assert float(codes.abs().max()) <= 2 ** (bits - 1) - 1
    damped = moments + 0.01 * moments.diagonal().mean() * torch.eye(features, dtype=torch.float64)
    errors = [(((w - weight) @ damped) * (w - weight)).sum() for w in (made, plain)]
    assert float(errors[0]) <= float(errors[1]) * (1 + 1e-9)


def test_compensation_gains_much_where_inputs_go_together() -> None:
    weight, x = weights((8, 64), 0, spread=0.0), inputs(500, 64, 0)
    moments = covariance(x, x)
    exponent = exponents(weight, torch.ones(8), 4, "channel", 30)
    error = [
        float(((w - weight) @ x.T).var(1).sum())
        for w in (compensated(weight, moments, moments, exponent, 4), nearest(weight, exponent, 4))
    ]
    assert error[0] < 0.2 * error[1]


def test_inputs_that_have_changed_are_made_up_for() -> None:
    weight, x = weights((4, 16), 1, spread=0.0), inputs(500, 16, 1)
    now = 0.5 * x  # the layers before send half of what they did
    square, cross = covariance(now, now), covariance(x, now)
    exponent = exponents(2 * weight, torch.ones(4), 8, "channel", 30)
    made = compensated(weight, square, cross, exponent, 8)
    off = (now - now.mean(0)) @ made.T - (x - x.mean(0)) @ weight.T
    assert float(off.square().mean()) < 0.01 * float(((x - x.mean(0)) @ weight.T).square().mean())


@pytest.mark.parametrize("bits", [2, 8])
def test_inputs_that_never_vary_leave_the_nearest(bits: int) -> None:
    weight, nothing = weights((3, 5), 2), torch.zeros(5, 5, dtype=torch.float64)
    exponent = exponents(weight, torch.ones(3), bits, "channel", 30)
    made = compensated(weight, nothing, nothing, exponent, bits)
    assert torch.equal(made, nearest(weight, exponent, bits))
