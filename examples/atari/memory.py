"""Games whose memory is seen beside their frames, for teachers that need not read a screen."""

from __future__ import annotations

from typing import Any

import ale_py
import numpy as np
from gymnasium import Env, ObservationWrapper
from gymnasium.spaces import Box, Dict
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from numpy.typing import NDArray

from atari.games import Games
from atari.network import HISTORY, RAM, SCREEN_BODIES

__all__ = ["MemoryGames", "games_of"]


class MemoryGames(Games):
    """Games as `Games` plays them, observed by the 128 bytes of the console's memory.

    What a game is about, such as where a ball is, stands there in a byte or two: a small network learns from it in
    minutes what takes one that has to find the ball on the screen hours. `frames` is what is on the screen meanwhile,
    so that a network of frames can be taught what the small one learned. No agent sees its console's memory.

    Example:
        >>> games = MemoryGames("Pong", count=2, seed=0)
        >>> games.observations.shape, games.frames.shape
        ((2, 4, 1, 128), (2, 4, 84, 84))
    """

    def _make(self, rom: str, count: int, max_frames: int) -> SyncVectorEnv:
        copies = [lambda: _with_memory(rom, max_frames)] * count
        return SyncVectorEnv(copies, autoreset_mode=AutoresetMode.SAME_STEP)

    def _see(self, found: dict[str, NDArray[np.uint8]]) -> None:
        self.observations, self.frames = np.array(found["memory"]), np.array(found["frames"])


def games_of(body: str) -> type[Games]:
    """Return the games that a body plays: those whose memory it sees, or whose frames."""
    return Games if body in SCREEN_BODIES else MemoryGames


class _WithMemory(ObservationWrapper):
    """Put the console's memory, a row of bytes, beside the frame."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        memory = Box(0, 255, RAM[1:], np.uint8)
        self.observation_space = Dict({"frames": env.observation_space, "memory": memory})

    def observation(self, observation: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        console: Any = self.env.unwrapped
        return {"frames": observation, "memory": console.ale.getRAM()[None]}


def _with_memory(rom: str, max_frames: int) -> Env:
    console = ale_py.AtariEnv(
        rom,
        obs_type="grayscale",
        frameskip=1,
        repeat_action_probability=0.0,
        full_action_space=False,
        max_num_frames_per_episode=max_frames,
    )
    seen = _WithMemory(AtariPreprocessing(console, noop_max=30, frame_skip=4))
    return FrameStackObservation(seen, HISTORY, padding_type="zero")
