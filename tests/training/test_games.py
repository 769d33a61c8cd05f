"""Games beside ale-py itself: raw scores, lost lives, and what comes after them."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

import torch
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode

from atari.evaluation import scores_of
from atari.games import Games, rom_of
from dqn2snn.errors import ArgumentError


@pytest.mark.parametrize("game", ["breakout", "space_invaders"])
def test_rewards_lives_and_scores_are_those_of_the_game(game: str) -> None:
    games, rng = Games(game, count=2, seed=7), np.random.default_rng(0)
    beside = AtariVectorEnv(game, 2, reward_clipping=False, autoreset_mode=AutoresetMode.SAME_STEP)
    _, info = beside.reset(seed=7)
    lives, totals, scores = info["lives"].copy(), np.zeros(2), []
    lost = 0
    while len(scores) < 3:
        actions = rng.integers(games.num_actions, size=2)
        played = games.step(actions)
        observations, rewards, terminated, truncated, info = beside.step(actions)
        totals += rewards
        fewer = info["lives"] < lives
        lives = info["lives"].copy()
        assert np.array_equal(games.observations, observations)
        assert np.array_equal(played.rewards, rewards)
        assert np.array_equal(played.over, terminated | truncated)
        assert np.array_equal(played.terminal, terminated | fewer)
        for i in np.flatnonzero(fewer & ~terminated):
            lost += 1
            assert games.observations[i, 0].any()  # the game went on
        assert played.scores == {int(i): totals[i] for i in np.flatnonzero(played.over)}
        scores += list(played.scores.values())
        totals[played.over] = 0
    assert lost >= 3
    assert max(scores) > (50 if game == "space_invaders" else 0)  # not clipped


def test_a_limit_of_time_ends_a_game_but_is_no_terminal() -> None:
    games = Games("Pong", count=2, seed=0, max_frames=100)
    played = [games.step(np.zeros(2, np.int64)) for _ in range(60)]
    assert sum(step.over.sum() for step in played) >= 4
    assert not any(step.terminal.any() for step in played)


def test_games_have_two_names() -> None:
    assert [rom_of(name) for name in ("UpNDown", "up_n_down", "NameThisGame", "Qbert")] == [
        "up_n_down",
        "up_n_down",
        "name_this_game",
        "qbert",
    ]
    with pytest.raises(ArgumentError, match=r"Found 'Chess2'.* breakout, "):
        rom_of("Chess2")


@pytest.mark.slow
def test_an_evaluation_plays_whole_games() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4 * 84 * 84, 6))
    scores = scores_of(network, "Pong", episodes=3, seed=5, num_envs=2)
    assert len(scores) == 3
    assert all(-21 <= score <= -15 for score in scores)  # as who does not know how to play
    assert scores == scores_of(network, "Pong", episodes=3, seed=5, num_envs=2)
