"""Products with rare spikes: the sums of a matrix product, whichever way an engine takes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dqn2snn.engine import layerwise
from dqn2snn.engine.lookup import looked_up
from tests import agents
from tests.properties import assert_same_q_values, assert_same_spikes


@given(
    st.integers(0, 9),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([0, 0.1, 0.5, 1]),
    st.integers(0, 99),
)
def test_it_is_the_matrix_product(rows: int, neurons: int, outputs: int, rate: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-(2**15), 2**15, (outputs, neurons), generator=generator).float()
    spikes = (torch.rand(rows, neurons, generator=generator) < rate).float()
    before = spikes.clone()
    assert torch.equal(looked_up(weight.t().contiguous(), spikes), F.linear(spikes, weight))
    assert torch.equal(spikes, before)


@pytest.mark.parametrize("rare", [-1.0, 2.0], ids=["never", "always"])
@pytest.mark.parametrize("name", agents.NAMES)
def test_looking_up_or_not_fires_the_spikes_of_the_oracle(
    name: str, rare: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layerwise, "_RARE", rare)
    monkeypatch.setattr(layerwise, "_WIDE", 1)
    expected = agents.oracle(name, 32)
    with torch.no_grad():
        record = layerwise.simulate_layerwise(
            agents.plan(name), agents.observations(name)[:32], 500, spikes=True
        )
    assert_same_spikes(record, expected)
    assert_same_q_values(record, expected)


def test_wide_matrices_are_looked_up() -> None:
    convolution, dense = (layer.cast(torch.float32) for layer in agents.plan("minatar-freeway").layers)
    assert layerwise._is_wide(dense, rows=512)
    assert not layerwise._is_wide(convolution, rows=512)
    assert not layerwise._is_wide(dense, rows=16)
    assert not layerwise._is_wide(dense.cast(torch.float64), rows=512)
    assert not any(
        layerwise._is_wide(layer.cast(torch.float32), 512) for layer in agents.plan("cartpole").all_layers
    )
