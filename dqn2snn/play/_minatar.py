"""MinAtar (Young and Tian, 2019) through its gymnasium ids. Imported only when a MinAtar id is asked for.

Two things keep the package's own environments from being used as they are. Its games keep the last action,
which sticky actions repeat, over a reset, so that an episode depends on the one before it; and its frames are
channel-last booleans, drawn with seaborn.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import minatar.gym
import numpy as np
from numpy.typing import NDArray

MAX_EPISODE_STEPS = 5000
CELL = 16  # pixels
# Okabe and Ito's colours, which colour-blind readers can tell apart, and four more for Seaquest's channels.
PALETTE = np.array(
    [
        (86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66),
        (213, 94, 0), (0, 114, 178), (153, 153, 153), (120, 94, 240), (255, 255, 255),
    ],
    dtype=np.uint8,
)  # fmt: skip


class MinAtarWrapper(gymnasium.ObservationWrapper[NDArray[np.float32], Any, NDArray[np.bool_]]):
    """A MinAtar game with channel-first float32 observations and episodes that their seed determines."""

    def __init__(self, env: gymnasium.Env[NDArray[np.bool_], Any]) -> None:
        super().__init__(env)
        height, width, channels = env.observation_space.shape or ()
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (channels, height, width), np.float32)

    def observation(self, observation: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Turn ``[10, 10, C]`` booleans into ``[C, 10, 10]`` zeros and ones."""
        return np.ascontiguousarray(observation.transpose(2, 0, 1), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode with the no-op as the action that a sticky first step repeats."""
        self.unwrapped.game.last_action = 0  # type: ignore[attr-defined]
        return super().reset(seed=seed, options=options)

    def render(self) -> Any:
        """Draw the state: one colour a channel, the player's (the first) on top, ``uint8 [160, 160, 3]``."""
        state: NDArray[np.bool_] = self.unwrapped.game.state()  # type: ignore[attr-defined]
        frame = np.zeros((*state.shape[:2], 3), np.uint8)
        for channel in reversed(range(state.shape[2])):
            frame[state[:, :, channel]] = PALETTE[channel]
        return frame.repeat(CELL, axis=0).repeat(CELL, axis=1)


def make(env_id: str, render_mode: str | None) -> MinAtarWrapper:
    """Make a MinAtar game; for the arguments see `dqn2snn.make_env`."""
    if not any(known.startswith("MinAtar/") for known in gymnasium.registry):
        minatar.gym.register_envs()
    env = gymnasium.make(
        env_id, max_episode_steps=MAX_EPISODE_STEPS, render_mode=render_mode, disable_env_checker=True
    )
    return MinAtarWrapper(env)
