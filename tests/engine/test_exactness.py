"""The main claim: on the grid every engine and backend fires exactly the spikes of the float64 oracle.

Neuron by neuron, on the trained agents that come with the package, whatever the batch and the dtype.
"""

from __future__ import annotations

import pytest
import torch

from dqn2snn.network import SpikingQNetwork
from tests import agents
from tests.properties import assert_same_counts, assert_same_q_values, assert_same_spikes

STEPS = (1, 2, 16, 64, 500)
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("backend", ["snntorch", "norse"])
@pytest.mark.parametrize("name", agents.NAMES)
def test_native_modules_fire_the_spikes_of_the_oracle(
    name: str, backend: str, batch: int, dtype: str
) -> None:
    snn = SpikingQNetwork(agents.plan(name), backend, engine="modules")
    snn.network.to(DTYPES[dtype])
    observations, expected = agents.observations(name)[:batch], agents.oracle(name, batch)
    with torch.no_grad():
        for num_steps in STEPS:
            record = snn.record(observations, num_steps)
            assert record.counts[0].dtype == record.q.dtype == DTYPES[dtype]
            assert_same_counts(record, expected)
            assert_same_q_values(record, expected)
        assert_same_spikes(snn.record(observations, 64, spikes=True), expected)


@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("name", agents.NAMES)
def test_the_layerwise_engine_fires_the_spikes_of_the_oracle(name: str, batch: int) -> None:
    snn = SpikingQNetwork(agents.plan(name), engine="torch")
    observations, expected = agents.observations(name)[:batch], agents.oracle(name, batch)
    for num_steps in STEPS:
        assert_same_counts(snn.record(observations, num_steps), expected)
    record = snn.record(observations, spikes=True)
    assert_same_spikes(record, expected)
    assert_same_q_values(record, expected)


@pytest.mark.parametrize("name", agents.NAMES)
def test_a_batch_of_more_than_one_chunk_fires_the_spikes_of_the_oracle(name: str) -> None:
    snn = SpikingQNetwork(agents.plan(name), engine="torch")
    record = snn.record(agents.observations(name)[:513], 16, spikes=True)
    assert_same_spikes(record, agents.oracle(name, 513, 16))


@pytest.mark.parametrize("engine", ["reference", "auto", "torch", "modules"])
@pytest.mark.parametrize("name", ["lunarlander", "minatar-freeway"])
def test_a_short_run_is_the_beginning_of_a_long_one(name: str, engine: str) -> None:
    snn = SpikingQNetwork(agents.plan(name), engine=engine)
    observations = agents.observations(name)[:4]
    long, short = (snn.record(observations, num_steps, spikes=True) for num_steps in (500, 16))
    assert_same_spikes(short, long)
    assert torch.equal(short.q, long.q[:16])
    assert torch.equal(short.q_spike, long.q_spike[:16])


@pytest.mark.parametrize("backend", ["snntorch", "norse"])
@pytest.mark.parametrize("name", ["lunarlander", "minatar-freeway"])
def test_an_observation_gives_the_same_spikes_alone_and_in_a_batch(name: str, backend: str) -> None:
    snn = SpikingQNetwork(agents.plan(name), backend, engine="modules")
    observations = agents.observations(name)[:5]
    together = snn.record(observations, 64)
    for i in range(len(observations)):
        alone = snn.record(observations[i : i + 1], 64)
        for one, many in zip(alone.counts, together.counts, strict=True):
            assert torch.equal(one[0], many[i])


@pytest.mark.parametrize("name", agents.NAMES)
def test_the_oracle_is_busy_enough_to_tell_engines_apart(name: str) -> None:
    """Equal spikes would mean little if there were none, or if every neuron fired at every step."""
    for counts in agents.oracle(name, 32).counts[:-1]:
        rates = counts / agents.NUM_STEPS
        assert ((rates > 0) & (rates < 1)).float().mean() > 0.03
        assert len(rates.unique()) > 20
