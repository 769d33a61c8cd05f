"""Atari frames as DQNs see them, from random play through ale-py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn._utils.extras import require

__all__ = ["ordered_play", "random_play"]

_SKIP = 4
_HISTORY = 4
_OPENING = 40
_EVERY = 3


def random_play(games: Sequence[str], count: int, seed: int = 0) -> Tensor:
    """Frames of random play, preprocessed as in Mnih et al. (2015).

    Every fourth screen, the brighter of the last two, in grey, 84 x 84, four in a row. Sticky actions with probability
    0.25. The first screens of a game are left out, and of the others every third is taken.

    Args:
        games: Names of ale-py's ROMs.
        count: Number of observations, evenly from the games, in random order.
        seed: Determines the play.

    Returns:
        Tensor: `[count, 4, 84, 84]`, whole numbers from 0 to 255 in float32.

    Raises:
        MissingExtraError: If ale-py is not installed.
    """
    generator = np.random.default_rng(seed)
    share = -(-count // len(games))
    stacks = [stack for game in games for stack in _stacks(game, share, seed, generator)]
    order = generator.permutation(len(stacks))[:count]
    return torch.stack([stacks[i] for i in order])


def ordered_play(game: str, count: int, seed: int = 0) -> Tensor:
    """Observations of random play as an agent meets them, one after the other.

    Args:
        game: Name of one of ale-py's ROMs.
        count: Number of observations.
        seed: Determines the play.

    Returns:
        Tensor: `[count, 4, 84, 84]` uint8.

    Raises:
        MissingExtraError: If ale-py is not installed.
    """
    screens = _screens(_emulator(game, seed), np.random.default_rng(seed))
    played = [next(screens).byte() for _ in range(_OPENING + _HISTORY + count)][_OPENING:]
    return torch.stack([torch.stack(played[i : i + _HISTORY]) for i in range(count)])


def _stacks(game: str, count: int, seed: int, generator: np.random.Generator) -> list[Tensor]:
    screens = _screens(_emulator(game, seed), generator)
    played = [next(screens) for _ in range(_OPENING + _EVERY * count)]
    return [
        torch.stack(played[end - _HISTORY : end]) for end in range(_OPENING + _EVERY, len(played) + 1, _EVERY)
    ]


def _emulator(game: str, seed: int) -> Any:
    ale_py = require("ale_py", extra="atari")
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", 0.25)
    ale.loadROM(require("ale_py.roms", extra="atari").get_rom_path(game))
    return ale


def _screens(ale: Any, generator: np.random.Generator) -> Iterator[Tensor]:
    actions = ale.getMinimalActionSet()
    while True:
        if ale.game_over():
            ale.reset_game()
        action = actions[generator.integers(len(actions))]
        for _ in range(_SKIP - 1):
            ale.act(action)
        before = ale.getScreenGrayscale().copy()
        ale.act(action)
        yield _small(np.maximum(before, ale.getScreenGrayscale()))


def _small(screen: NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(screen.astype(np.float32))[None, None]
    return F.interpolate(pixels, (84, 84), mode="area")[0, 0].round()
