"""Ridge regression: the textbook's solution, whatever the batches and weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.recipes.correction._least_squares import NormalEquations, Samples


def samples(seed: int, count: int, inputs: int, outputs: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h = torch.rand(count, inputs, generator=generator, dtype=torch.float64) + 3
    prior = torch.randn(outputs, inputs, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, outputs, generator=generator, dtype=torch.float64)
    weight = torch.rand(count, generator=generator, dtype=torch.float64) + 0.1
    return h, h @ prior.T + noise, prior, weight


def solved(
    h: Tensor, target: Tensor, prior: Tensor, strength: float, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    return NormalEquations.of(h, target, weight).solve(prior, strength)


sizes = st.tuples(st.integers(1, 40), st.integers(1, 6), st.integers(1, 3))


@given(st.integers(0, 1000), sizes, st.sampled_from([1e-4, 0.1, 10.0]))
@settings(max_examples=25)
def test_the_gradient_of_the_penalised_error_vanishes(
    seed: int, size: tuple[int, int, int], strength: float
) -> None:
    h, target, prior, weight = samples(seed, *size)
    w, b = (x.requires_grad_() for x in solved(h, target, prior, strength, weight))
    share = weight / weight.sum()
    mean = share @ h
    pull = strength * (share @ (h - mean).square()).mean()
    loss = (share @ (target - h @ w.T - b).square()).sum() + pull * (w - prior).square().sum()
    for gradient in torch.autograd.grad(loss, (w, b)):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-5)


def test_without_a_pull_it_is_the_least_squares_fit() -> None:
    h, target, prior, _ = samples(0, 50, 5, 2)
    w, b = solved(h, target, prior, 0.0)
    expected = torch.linalg.lstsq(torch.cat([h, torch.ones(50, 1, dtype=torch.float64)], 1), target).solution
    torch.testing.assert_close(torch.cat([w, b[:, None]], 1), expected.T)


def test_what_is_never_seen_to_vary_keeps_its_weight() -> None:
    h, target, prior, _ = samples(0, 50, 5, 2)
    h[:, 2] = 0.0
    w, _ = solved(h, target, prior, 1e-3)
    torch.testing.assert_close(w[:, 2], prior[:, 2])


def test_a_strong_pull_leaves_only_the_bias_to_fit() -> None:
    h, target, prior, _ = samples(0, 50, 5, 2)
    w, b = solved(h, target, prior, 1e9)
    torch.testing.assert_close(w, prior)
    torch.testing.assert_close(b, (target - h @ prior.T).mean(0))


def test_a_weight_of_two_is_a_sample_seen_twice() -> None:
    h, target, prior, _ = samples(0, 20, 3, 2)
    twice = torch.ones(20, dtype=torch.float64)
    twice[:5] = 2
    weighted = solved(h, target, prior, 1e-3, twice)
    repeated = solved(torch.cat([h, h[:5]]), torch.cat([target, target[:5]]), prior, 1e-3)
    torch.testing.assert_close(weighted, repeated)


@pytest.mark.parametrize("batch", [1, 7, 30])
def test_batches_make_no_difference(batch: int) -> None:
    h, target, prior, weight = samples(0, 30, 4, 2)
    gathered = Samples(30)
    for part in range(0, 30, batch):
        gathered.add(*(x[part : part + batch] for x in (h, target, weight)))
    torch.testing.assert_close(gathered.solve(prior, 1e-3), solved(h, target, prior, 1e-3, weight))


def test_taking_samples_away_leaves_the_others() -> None:
    h, target, prior, weight = samples(0, 30, 4, 2)
    whole, part = (NormalEquations.of(h[:n], target[:n], weight[:n]) for n in (30, 10))
    others = NormalEquations.of(h[10:], target[10:], weight[10:])
    torch.testing.assert_close((whole - part).solve(prior, 1e-3), others.solve(prior, 1e-3))


def test_the_loss_is_the_squared_error() -> None:
    h, target, prior, weight = samples(0, 30, 4, 2)
    b = torch.ones(2, dtype=torch.float64)
    errors = [
        float(weight @ (target - h @ w.T - b).square().sum(1))
        - NormalEquations.of(h, target, weight).loss(w, b)
        for w in (prior, 2 * prior)
    ]
    assert errors[0] == pytest.approx(errors[1])


def test_noise_is_not_learnt_and_a_systematic_change_is() -> None:
    h, target, prior, _ = samples(1, 60, 40, 2)
    kept, learnt = ((Samples(60), target), (Samples(60), target + 30 * h[:, :1]))
    weights = []
    for gathered, wanted in (kept, learnt):
        for part in range(0, 60, 10):
            gathered.add(h[part : part + 10], wanted[part : part + 10])
        weights.append(gathered.solve(prior, None)[0] - prior)
    assert float(weights[0].norm()) < 1
    assert float((weights[1][:, 0] - 30).abs().max()) < 5


def test_a_push_away_is_refused() -> None:
    with pytest.raises(ArgumentError, match="strength >= 0"):
        solved(*samples(0, 5, 2, 1)[:3], strength=-1.0)
