"""Calibration observations: from whole episodes, evenly, and none of those that evaluation plays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.play._whole_episodes import FIRST_EPISODE
from dqn2snn.play.collect import collect_observations, collect_rollout
from dqn2snn.play.rollout import play


def lean(observations: Tensor) -> Tensor:
    """Push the cart to where the pole falls: balances for a few hundred steps."""
    fall = observations[:, 2] + observations[:, 3]
    return torch.stack([-fall, fall], dim=1)


def test_the_number_asked_for_comes_back() -> None:
    observations = collect_observations(lean, 777, env="CartPole-v1")
    assert observations.shape == (777, 4)
    assert observations.dtype == torch.float32


def test_observations_do_not_depend_on_how_many_episodes_run_at_a_time() -> None:
    one_by_one, together = (collect_rollout(lean, 1000, env="CartPole-v1", num_envs=n) for n in (1, 8))
    assert torch.equal(one_by_one.observations, together.observations)
    assert torch.equal(one_by_one.q, together.q)
    np.testing.assert_array_equal(one_by_one.episode_ids, together.episode_ids)


def test_observations_lie_evenly_on_whole_episodes() -> None:
    rollout = collect_rollout(lean, 20, env="CartPole-v1", epsilon=0.0, min_episodes=2)
    played = [
        torch.from_numpy(step.observations[0])
        for step in play(
            lambda obs, places: (lean(obs),),
            "CartPole-v1",
            episode_ids=[FIRST_EPISODE, FIRST_EPISODE + 1],
            num_envs=1,
        )
    ]
    chosen = np.linspace(0, len(played) - 1, 20).round().astype(int)
    assert torch.equal(rollout.observations, torch.stack([played[index] for index in chosen]))
    assert set(rollout.episode_ids) == {FIRST_EPISODE, FIRST_EPISODE + 1}


def test_q_values_belong_to_their_observations() -> None:
    rollout = collect_rollout(lean, 600, env="CartPole-v1")
    torch.testing.assert_close(rollout.q, lean(rollout.observations))
    assert (np.diff(rollout.episode_ids) >= 0).all()


def test_the_same_seed_never_gives_an_evaluation_episode() -> None:
    rollout = collect_rollout(lean, 3000, env="CartPole-v1", epsilon=0.5, seed=3)
    evaluated = {
        step.observations[0].tobytes()
        for step in play(
            lambda obs, places: (lean(obs),),
            "CartPole-v1",
            episode_ids=range(100),
            seed=3,
            max_episode_steps=1,
        )
    }
    assert not evaluated & {observation.numpy().tobytes() for observation in rollout.observations}


def test_the_seed_determines_and_the_global_generators_stay_untouched() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    first, again, other = (collect_observations(lean, 50, env="CartPole-v1", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


def test_few_observations_still_come_from_several_episodes() -> None:
    rollout = collect_rollout(
        lambda obs: obs.new_zeros(len(obs), 6), 64, env="MinAtar/Freeway-v0", max_episode_steps=200
    )
    assert sorted(set(rollout.episode_ids - FIRST_EPISODE)) == list(range(8))


@pytest.mark.parametrize(("count", "min_episodes"), [(0, 8), (10, 0)])
def test_no_observations_are_refused(count: int, min_episodes: int) -> None:
    with pytest.raises(ArgumentError, match=r">= 1\. Found 0"):
        collect_observations(lean, count, env="CartPole-v1", min_episodes=min_episodes)
