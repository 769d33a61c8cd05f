"""A readout is chosen by decisions that it was not fitted to."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.recipes.correction._least_squares import NormalEquations
from dqn2snn.recipes.correction._readout import best_readout


def problem(count: int, noise: float) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Features, Q-values that are nearly linear in them, and the map that made them."""
    generator = torch.Generator().manual_seed(0)
    h = torch.rand(count, 30, generator=generator, dtype=torch.float64)
    w, b = (torch.randn(4, n, generator=generator, dtype=torch.float64) for n in (30, 1))
    wrong = noise * torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return h, h @ w.T + b[:, 0] + wrong, (w, b[:, 0])


def test_a_readout_that_is_right_stays() -> None:
    h, q, prior = problem(60, noise=0.5)  # two samples an input: a fit would learn the noise
    assert best_readout(h, q, torch.ones(60), prior, None) is None


def test_a_readout_that_is_wrong_is_fitted() -> None:
    h, q, (weight, bias) = problem(400, noise=0.01)
    found = best_readout(h, q, torch.ones(400), (torch.zeros_like(weight), bias), None)
    assert found is not None
    agreement = ((h @ found[0].T + found[1]).argmax(1) == q.argmax(1)).double().mean()
    assert float(agreement) > 0.97


def test_a_given_strength_is_taken() -> None:
    h, q, prior = problem(60, noise=0.5)
    expected = NormalEquations.of(h, q, torch.ones(60)).solve(prior[0], 0.1)
    found = best_readout(h, q, torch.ones(60), prior, 0.1)
    assert found is not None
    torch.testing.assert_close(found, expected)


def test_a_single_sample_leaves_the_readout_as_it_is() -> None:
    h, q, prior = problem(1, noise=0.5)
    assert best_readout(h, q, torch.ones(1), prior, None) is None
