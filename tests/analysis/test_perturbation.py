"""Perturbations: what they change and what not, and that a DQN and its plan get the same noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import dqn2snn
from dqn2snn.analysis.perturbation import bar, gaussian, noisy_graph, salt_and_pepper, weight_noise
from dqn2snn.errors import ArgumentError
from dqn2snn.plan.rate_network import RateNetwork
from dqn2snn.recipes import Recipe
from dqn2snn.tracing import trace


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(row=st.integers(0, 9), rows=st.integers(1, 12))
def test_a_bar_covers_its_rows_and_no_others(row: int, rows: int) -> None:
    images = torch.rand(2, 4, 10, 7) + 1
    covered = bar(images, row, rows=rows, low=0.5)
    inside = (torch.arange(10) >= row) & (torch.arange(10) < row + rows)
    assert (covered[:, :, inside] == 0.5).all()
    assert torch.equal(covered[:, :, ~inside], images[:, :, ~inside])
    assert (images >= 1).all()  # the caller's are untouched


@given(sigma=st.floats(0, 3), low=st.floats(-5, 5), width=st.floats(0.1, 300))
def test_noise_stays_in_the_range_and_repeats_with_its_stream(sigma: float, low: float, width: float) -> None:
    clean = low + width * torch.rand(2, 5, dtype=torch.float64)
    noisy, again = (gaussian(clean, sigma, low=low, high=low + width, generator=stream()) for _ in range(2))
    assert torch.equal(noisy, again)
    assert ((noisy >= low) & (noisy <= low + width)).all()
    if sigma == 0:
        assert torch.equal(noisy, clean)


def test_noise_is_a_share_of_the_range() -> None:
    clean = torch.full((20_000,), 100.0)
    noisy = gaussian(clean, 0.05, low=0, high=255, generator=stream())
    assert float(noisy.std()) == pytest.approx(0.05 * 255, rel=0.03)
    assert float(noisy.mean()) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_salt_and_pepper_are_alike_and_the_rest_stays(share: float) -> None:
    clean = torch.full((20_000,), 7.0)
    spoilt = salt_and_pepper(clean, share, low=0, high=255, generator=stream())
    for value in (0, 255):
        assert float((spoilt == value).float().mean()) == pytest.approx(share / 2, abs=0.01)
    assert float((spoilt == 7).float().mean()) == pytest.approx(1 - share, abs=0.01)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda: bar(torch.rand(3, 4), 0), "images"),
        (lambda: bar(torch.rand(1, 3, 4), 3), "from 0 to 2"),
        (lambda: bar(torch.rand(1, 3, 4), -1), "from 0 to 2"),
        (lambda: bar(torch.rand(1, 3, 4), 0, rows=0), "0 rows"),
        (lambda: gaussian(torch.rand(3), -0.1, low=0, high=1), "-0.1"),
        (lambda: gaussian(torch.rand(3), math.nan, low=0, high=1), "nan"),
        (lambda: gaussian(torch.rand(3), 0.1, low=0, high=math.inf), "inf"),
        (lambda: gaussian(torch.rand(3), 0.1, low=1, high=1), "from 1 to 1"),
        (lambda: salt_and_pepper(torch.rand(3), 1.1, low=0, high=1), "1.1"),
        (lambda: gaussian(torch.zeros(3, dtype=torch.uint8), 0.1, low=0, high=255), "uint8"),
        (lambda: salt_and_pepper(np.zeros(3), 0.1, low=0, high=1), "float64"),
        (lambda: gaussian(torch.tensor([math.nan]), 0.1, low=0, high=1), "NaN"),
        (lambda: bar(torch.full((1, 3, 4), math.inf), 0), "infinity"),
    ],
)
def test_what_makes_no_sense_is_refused(spoil: object, words: str) -> None:
    assert callable(spoil)
    with pytest.raises(ArgumentError, match=words):
        spoil()


@pytest.mark.parametrize("recipe", ["tan2021", "sigma_delta"])
def test_a_plan_gets_the_noise_of_its_network(recipe: str) -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 12), nn.ReLU(), nn.Linear(12, 3)
    )
    observations = torch.rand(300, 2, 6, 6)
    plan = dqn2snn.convert(
        network,
        observations,
        recipe=Recipe(recipe).then(weight_noise, sigma=0.2, seed=3),
        num_steps=8,
        grid=None,
    ).plan
    graph = trace(network, (2, 6, 6))
    *_, q = RateNetwork.of(plan, torch.float64).drives(observations)
    expected = noisy_graph(graph, sigma=0.2, seed=3)(observations.double())
    torch.testing.assert_close(q, expected, rtol=1e-6, atol=1e-6)
    assert (q - graph(observations.double())).abs().max() > 0.01
    with pytest.raises(ArgumentError, match="standard deviation"):
        noisy_graph(graph, sigma=-1, seed=0)
