"""The moments of a neuron's own error are those of the neuron, drawn many times."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn2snn.analysis.suggestion._rounding import known_error, own_error

DRAWS = 40_000


@settings(deadline=None, max_examples=40)
@given(
    u=st.floats(-2, 10),
    spread=st.floats(0.01, 0.6),
    phase=st.sampled_from([0.0, 0.5, 0.25]),
    seed=st.integers(0, 9),
)
def test_mean_and_variance_are_those_of_the_neuron(u: float, spread: float, phase: float, seed: int) -> None:
    xi = torch.randn(DRAWS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    told = torch.floor(u + spread * xi + phase).clamp(0, 8)
    found = own_error(*(torch.tensor([v], dtype=torch.float64) for v in (u, spread, phase)), most=8)
    assert float(found.mean) == pytest.approx(float(told.mean()) - max(0.0, u), abs=0.02)
    smaller = min(float(told.var()), float((told - spread * xi).var()))
    assert float(found.variance) == pytest.approx(smaller, abs=0.02)


def test_without_spread_the_error_is_known() -> None:
    u = (
        torch.linspace(-3, 12, 1501, dtype=torch.float64) + 1e-3
    )  # no jump of a neuron within the least spread
    phase = torch.tensor(0.5, dtype=torch.float64)
    away = (u + 0.5 - torch.round(u + 0.5)).abs() > 5e-3
    found = own_error(u, torch.zeros_like(u), phase, most=8)
    assert torch.allclose(found.mean[away], known_error(u, phase, 8)[away], atol=1e-6)
    assert float(found.variance[away].max()) < 1e-5


def test_a_neuron_far_below_zero_has_no_error() -> None:
    found = own_error(torch.tensor([-5.0]), torch.tensor([0.5]), torch.tensor([0.5]), most=8)
    assert float(found.mean) == pytest.approx(0, abs=1e-6)
    assert float(found.variance) == pytest.approx(0, abs=1e-6)
