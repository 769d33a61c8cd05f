"""Many copies of an Atari game side by side."""

from __future__ import annotations

from typing import Any, NamedTuple

import ale_py
import numpy as np
from ale_py.roms import get_all_rom_ids
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from atari.network import FRAME, HISTORY
from dqn2snn.errors import ArgumentError

__all__ = ["Games", "Played", "rom_of"]


class Played(NamedTuple):
    """What one step of every game gave, ``[N]`` each."""

    rewards: NDArray[np.float64]  # raw, as the game counts
    terminal: NDArray[np.bool_]  # the game ended, or a life was lost
    over: NDArray[np.bool_]  # a new game has begun
    scores: dict[int, float]  # raw scores of the games that ended, by copy


class Games:
    """Copies of one game, each of which starts again when it ends.

    Frame skip 4, the brighter of two frames, 84 x 84 in grey, up to 30 no-ops at the start, no sticky actions, all
    lives: the protocol of Mnih et al. (2015). A lost life ends the sum of rewards but not the game; ale-py's own
    ``episodic_life`` would begin a new game at each lost life, and later lives would never be seen.

    `observations` is what is seen now, uint8 ``[N, 4, height, width]``, and `frames` what of it is on the screen: the
    same here.

    Args:
        game: Name as in gymnasium (``"RoadRunner"``) or as in ale-py (``"road_runner"``).
        count: Number of copies N.
        seed: Determines the no-ops.
        max_frames: A game is cut off after so many frames.

    Example:
        >>> games = Games("Pong", count=2, seed=0)
        >>> games.observations.shape, games.num_actions
        ((2, 4, 84, 84), 6)
        >>> games.step(np.zeros(2, np.int64)).rewards
        array([0., 0.])
    """

    def __init__(self, game: str, count: int, seed: int, max_frames: int = 108_000) -> None:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._env = self._make(rom_of(game), count, max_frames)
        self.num_actions: int = int(self._env.single_action_space.n)
        self._scores = np.zeros(count)
        self.reset(seed)

    def _make(self, rom: str, count: int, max_frames: int) -> Any:
        return AtariVectorEnv(
            rom,
            count,
            num_threads=1,
            stack_num=HISTORY,
            img_height=FRAME,
            img_width=FRAME,
            reward_clipping=False,
            autoreset_mode=AutoresetMode.SAME_STEP,
            max_num_frames_per_episode=max_frames,
        )

    def _see(self, found: Any) -> None:
        self.observations: NDArray[np.uint8] = np.array(found)
        self.frames = self.observations

    def reset(self, seed: int) -> None:
        """Begin all games anew.

        Args:
            seed: Determines the no-ops.
        """
        observations, info = self._env.reset(seed=seed)
        self._see(observations)
        self._lives = np.array(info["lives"])
        self._scores[:] = 0.0

    def step(self, actions: NDArray[np.int64]) -> Played:
        """Play one step in every game.

        Args:
            actions: An action for each, ``[N]``.

        Returns:
            Rewards, endings and scores. What is seen next is in `observations`.
        """
        observations, rewards, terminated, truncated, info = self._env.step(actions)
        over, lives = terminated | truncated, np.array(info["lives"])
        terminal = terminated | ((lives < self._lives) & ~over)
        self._scores += rewards
        scores = {int(i): float(self._scores[i]) for i in np.flatnonzero(over)}
        self._scores[over] = 0.0
        self._see(observations)
        self._lives = lives
        return Played(rewards.astype(np.float64), terminal, over, scores)


def rom_of(game: str) -> str:
    """Return ale-py's name of a game.

    Args:
        game: Name as in gymnasium or as in ale-py.

    Returns:
        The name of its ROM.

    Raises:
        ArgumentError: If ale-py has none of that name.

    Example:
        >>> rom_of("RoadRunner"), rom_of("pong")
        ('road_runner', 'pong')
        >>> rom_of("Chess")
        Traceback (most recent call last):
        ...
        dqn2snn.errors.ArgumentError: Expected the name of an Atari game, such as RoadRunner. Found 'Chess'. ...
    """
    roms: dict[str, str] = {rom.replace("_", ""): rom for rom in get_all_rom_ids()}
    name = game.replace("_", "").lower()
    if name not in roms:
        raise ArgumentError(
            f"Expected the name of an Atari game, such as RoadRunner. Found {game!r}. "
            f"ale-py has {', '.join(sorted(get_all_rom_ids()))}."
        )
    return roms[name]
