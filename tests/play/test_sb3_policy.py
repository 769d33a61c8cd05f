"""Stable-Baselines3's own `evaluate_policy` takes a spiking network, and scores it as ours does."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest
import torch
from torch import nn

import dqn2snn
from tests import agents

pytest.importorskip("stable_baselines3", reason="needs a newer torch than the oldest that dqn2snn takes")

from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecFrameStack,
    VecTransposeImage,
)

SEED = 7


def vector(env_id: str, num_envs: int, max_steps: int) -> VecEnv:
    """Environments that start from SEED, SEED + 1, ..., as the episodes of `dqn2snn.evaluate_policy` do."""

    def make() -> Monitor[Any, Any]:
        env = dqn2snn.make_env(env_id)
        return Monitor(gymnasium.wrappers.TimeLimit(env, max_steps))

    vector = DummyVecEnv([make] * num_envs)
    vector.seed(SEED)
    return vector


def scored(model: Any, env: Any, episodes: int) -> list[float]:
    returns, _ = evaluate_policy(model, env, n_eval_episodes=episodes, return_episode_rewards=True)
    assert isinstance(returns, list)
    return returns


@pytest.mark.parametrize("recipe", ["rate", "sigma_delta", "xu2026"])
@pytest.mark.parametrize(("name", "num_steps"), [("cartpole", 3), ("minatar-breakout", 8)])
def test_a_vector_of_environments_gives_the_scores_of_our_own_protocol(
    name: str, num_steps: int, recipe: str
) -> None:
    agent = agents.agent(name)
    snn = dqn2snn.convert(agent, agents.observations(name), recipe=recipe, num_steps=num_steps)
    ours = dqn2snn.evaluate_policy(
        snn, agent.env_id, episodes=4, seed=SEED, max_episode_steps=120, progress=False
    )
    theirs = scored(snn, vector(agent.env_id, 4, 120), 4)
    assert sorted(theirs) == sorted(ours.returns)
    assert sum(theirs) > 0


@pytest.mark.parametrize("engine", ["auto", "modules"])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_cartpole_is_balanced(num_envs: int, engine: str) -> None:
    env = make_vec_env("CartPole-v1", n_envs=num_envs, seed=1)  # each in a Monitor
    seen = agents.observations("cartpole")
    snn = dqn2snn.convert(agents.agent("cartpole"), seen, num_steps=48, engine=engine)
    assert min(scored(snn, env, 3)) > 100  # a random policy balances the pole for about 20 steps


def test_one_environment_needs_no_vector() -> None:
    seen = agents.observations("cartpole")
    snn = dqn2snn.convert(agents.agent("cartpole"), seen, recipe="sigma_delta", num_steps=4)
    assert min(scored(snn, Monitor(gymnasium.make("CartPole-v1")), 2)) > 100


def frames(num_envs: int) -> VecEnv:
    """Atari as Stable-Baselines3 trains on it: four grey frames, the colours first."""
    short = {"max_episode_steps": 100}  # pictures of the machine, of which an agent sees every fourth
    return VecTransposeImage(
        VecFrameStack(make_atari_env("PongNoFrameskip-v4", num_envs, seed=0, env_kwargs=short), 4)
    )


@pytest.mark.parametrize("recipe", ["rate", "sigma_delta"])
def test_pictures_of_atari_games(recipe: str) -> None:
    pytest.importorskip("ale_py")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(4, 8, 8, 4), nn.ReLU(), nn.Conv2d(8, 8, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(200, 6)
    )
    env = frames(2)
    seen = torch.as_tensor(env.reset())
    assert (seen.shape, seen.dtype) == ((2, 4, 84, 84), torch.uint8)
    for _ in range(4):
        seen = torch.cat([seen, torch.as_tensor(env.step([0, 2])[0])])  # type: ignore[arg-type]
    snn = dqn2snn.convert(network, seen, recipe=recipe, num_steps=4)
    actions, _ = snn.predict(seen[:2].numpy())
    assert actions.shape == (2,)
    assert len(scored(snn, frames(2), 2)) == 2
