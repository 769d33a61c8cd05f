"""Scores of a network over whole games."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from atari.acting import choose
from atari.games import Games

__all__ = ["EPSILON", "scores_of"]

EPSILON = 0.05  # as in Mnih et al. (2015)


@torch.no_grad()
def scores_of(
    network: nn.Module,
    game: str,
    episodes: int,
    seed: int,
    num_envs: int = 8,
    play: type[Games] = Games,
) -> list[float]:
    """Play whole games.

    Each copy plays its share of them. To take the first that end would favour short games.

    Args:
        network: Maps observations of whole numbers from 0 to 255, ``[B, 4, height, width]``, to Q-values ``[B, A]``.
        game: Name of the game.
        episodes: Number of games.
        seed: Determines no-ops and random actions.
        num_envs: Games side by side.
        play: What the network sees of them: `atari.memory.games_of` its body.

    Returns:
        Their raw scores.
    """
    num_envs = min(num_envs, episodes)
    games, rng = play(game, num_envs, seed), np.random.default_rng(seed)
    shares = [len(range(copy, episodes, num_envs)) for copy in range(num_envs)]
    scores: list[list[float]] = [[] for _ in shares]
    with tqdm(total=episodes, unit="game") as bar:
        while any(len(found) < share for found, share in zip(scores, shares, strict=True)):
            q = network(torch.from_numpy(games.observations).float()).numpy()
            for copy, score in games.step(choose(q, EPSILON, rng)).scores.items():
                if len(scores[copy]) < shares[copy]:
                    scores[copy].append(score)
                    bar.update()
    return [score for found in scores for score in found]
