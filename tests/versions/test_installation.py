"""An installation works, from a state dict to an Atari game. `make versions` runs this file in each environment.

There the wheel is installed and the rest of the repository is not: only dqn2snn and what it stands on are imported.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.engine.available import event_engine

BACKENDS = ("snntorch", "norse")
DEVICES = (
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
)
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@pytest.fixture(scope="module")
def agent() -> dqn2snn.QNetwork:
    return dqn2snn.load_q_network("cartpole")


@pytest.fixture(scope="module")
def observations(agent: dqn2snn.QNetwork) -> torch.Tensor:
    return dqn2snn.collect_observations(agent, 256, seed=0, progress=False)


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(dqn2snn, name) is not None for name in dqn2snn.__all__)


@pytest.mark.skipif(
    os.environ.get("DQN2SNN_REQUIRE_ENGINE", "0") != "1", reason="nobody asked for a compiled engine"
)
def test_the_event_engine_was_compiled() -> None:
    assert event_engine() is not None


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_state_dict_becomes_a_network(dtype: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)).to(DTYPES[dtype])
    torch.save(network.state_dict(), tmp_path / "CartPole-v1.pt")
    loaded = dqn2snn.load_q_network(tmp_path / "CartPole-v1.pt")
    states = torch.rand(64, 4)
    expected, found = network(states.to(DTYPES[dtype])), loaded(states.to(next(loaded.parameters()).dtype))
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-6, atol=1e-6)
    snn = dqn2snn.convert(network, states.to(DTYPES[dtype]), num_steps=64)
    assert (snn(states).argmax(1) == expected.argmax(1)).float().mean() > 0.8


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_engine_fires_the_same_spikes(
    backend: str, device: str, agent: dqn2snn.QNetwork, observations: torch.Tensor
) -> None:
    snn = dqn2snn.convert(agent, observations, num_steps=32, backend=backend).to(device)
    expected = snn.record(observations, spikes=True, engine="reference")
    assert expected.spikes is not None
    compiled = ["event"] if device == "cpu" and event_engine() else []
    for engine in ("modules", "torch", *compiled):
        found = snn.record(observations.to(device), spikes=True, engine=engine)
        assert found.spikes is not None
        assert all(torch.equal(a.cpu(), b) for a, b in zip(found.spikes, expected.spikes, strict=True)), (
            engine
        )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_spiking_network_plays(backend: str, agent: dqn2snn.QNetwork, observations: torch.Tensor) -> None:
    snn = dqn2snn.convert(agent, observations, num_steps=32, backend=backend)
    scores = dqn2snn.evaluate_policy(snn, agent.env_id, episodes=2, seed=1, progress=False)
    assert min(scores.returns) > 100


def test_a_plan_survives_its_file_and_nir(
    agent: dqn2snn.QNetwork, observations: torch.Tensor, tmp_path: Path
) -> None:
    plan = dqn2snn.convert(agent, observations, num_steps=32).plan
    dqn2snn.save_plan(plan, tmp_path / "plan.safetensors")
    expected = dqn2snn.SpikingQNetwork(plan)(observations)
    for again in (
        dqn2snn.load_plan(tmp_path / "plan.safetensors"),
        dqn2snn.from_nir(dqn2snn.to_nir(plan)),
    ):
        assert torch.equal(dqn2snn.SpikingQNetwork(again)(observations), expected)


@pytest.mark.parametrize("env_id", ["BreakoutNoFrameskip-v4", "ALE/Breakout-v5"])
def test_an_atari_game_is_decided_by_spikes(env_id: str) -> None:
    with dqn2snn.make_env(env_id) as env:
        observation, _ = env.reset(seed=0)
        network = nn.Sequential(
            *(nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 20 * 20, env.action_space.n))
        )
        frame = torch.as_tensor(observation)[None].float()
        snn = dqn2snn.convert(network, frame, num_steps=16)
        for _ in range(4):
            action = int(snn(torch.as_tensor(observation)[None].float()).argmax())
            observation, *_ = env.step(action)
        assert observation.shape == (4, 84, 84)
