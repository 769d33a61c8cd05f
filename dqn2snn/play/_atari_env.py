"""Atari games as a Q-network wants them. Imported only when one is asked for.

ale-py's vector environment does the preprocessing, in C++ and bit by bit as gymnasium's wrappers do. Here each game has
a vector of its own, of one: an episode then depends on its seed and on nothing that runs beside it, and a game that has
ended costs nothing while others go on. Games still run at the same time, between `begin_step` and `end_step`.
"""

from __future__ import annotations

import difflib
from typing import Any

import ale_py  # which registers the games
import gymnasium
import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from dqn2snn._utils.atari import AtariProtocol, atari_protocol
from dqn2snn.errors import ArgumentError

_SEEDS = 2**31  # the emulator's are int32
_SCREEN = (210, 160)

gymnasium.register_envs(ale_py)


class AtariGame(gymnasium.Env[NDArray[np.uint8], int]):
    """An Atari game under a protocol, with observations ``uint8 [4, 84, 84]`` and the minimal set of actions."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, game: str, protocol: AtariProtocol, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self._game = _vector(
            game, protocol, img_height=protocol.size, img_width=protocol.size, stack_num=protocol.stack
        )
        # The colours come from a twin that gets the same seeds and actions, so that it plays the same episode.
        self._twin = None
        if render_mode == "rgb_array":
            height, width = _SCREEN
            self._twin = _vector(
                game, protocol, img_height=height, img_width=width, stack_num=1, grayscale=False
            )
        self._picture: NDArray[np.uint8] | None = None
        self._running = False
        self.observation_space = self._game.single_observation_space
        self.action_space = self._game.single_action_space

    def get_action_meanings(self) -> list[str]:
        """Name the actions, as `ale_py.AtariEnv` does."""
        return [action.name for action in self._game.ale.get_action_set()]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode, which the seed determines; without one it is drawn, from the seed before."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(_SEEDS))
        if seed >= _SEEDS:
            raise ArgumentError(
                f"Expected a seed below 2^31, which the emulator takes. Found {seed}. Use a smaller one."
            )
        observations, info = self._game.reset(seed=np.array([seed]))
        if self._twin is not None:
            self._picture = self._twin.reset(seed=np.array([seed]))[0][0, 0]
        self._running = True
        return observations[0], _first(info)

    def begin_step(self, action: int) -> None:
        """Set the game going with an action, without waiting for what comes of it."""
        if not self._running:
            raise ResetNeeded(
                "Expected an episode under way. Found none, or one that has ended. Call reset() first."
            )
        if not self.action_space.contains(action):  # the emulator would never answer
            raise ArgumentError(
                f"Expected an action in {self.action_space}. Found {action!r}. Use this game's actions."
            )
        actions = np.array([action])
        self._game.send(actions)
        if self._twin is not None:
            self._twin.send(actions)

    def end_step(self) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Wait for what came of `begin_step`, and return what `step` returns."""
        observations, rewards, terminated, truncated, info = self._game.recv()
        if self._twin is not None:
            self._picture = self._twin.recv()[0][0, 0]
        self._running = not (terminated[0] or truncated[0])
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), _first(info)

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Play one decision: the action for as many frames as the protocol says."""
        self.begin_step(action)
        return self.end_step()

    def render(self) -> Any:
        """Give the screen in colours, ``uint8 [210, 160, 3]``, the greater of the last two frames."""
        if self._picture is None:
            raise ResetNeeded("Expected a game with render_mode='rgb_array', after reset(). Found another.")
        return self._picture

    def close(self) -> None:
        """End the emulators' threads."""
        self._running = False
        for vector in (self._game, self._twin):
            if vector is not None:
                vector.close()


def _vector(game: str, protocol: AtariProtocol, **picture: Any) -> Any:
    return AtariVectorEnv(
        game,
        num_envs=1,
        num_threads=1,
        max_num_frames_per_episode=protocol.max_frames,
        repeat_action_probability=protocol.sticky,
        autoreset_mode=AutoresetMode.NEXT_STEP,  # which never happens, since every episode begins by a seed
        frameskip=protocol.skip,
        noop_max=protocol.max_no_ops,
        use_fire_reset=protocol.fire_on_reset,
        episodic_life=False,  # in ale-py 0.12 it begins a new game at every lost life
        reward_clipping=False,
        **picture,
    )


def _first(info: dict[str, Any]) -> dict[str, Any]:
    return {name: int(info[name][0]) for name in ("lives", "episode_frame_number")}


def make(env_id: str, render_mode: str | None) -> AtariGame:
    """Make an Atari game; for the arguments see `dqn2snn.make_env`."""
    protocol = atari_protocol(env_id)
    spec = gymnasium.registry.get(env_id)
    if protocol is None or spec is None:
        known = [name for name in gymnasium.registry if atari_protocol(name)]
        near = difflib.get_close_matches(env_id, known, cutoff=0.0)
        raise ArgumentError(
            f"Expected the id of an Atari game. Found {env_id!r}. Did you mean {', '.join(near[:-1])} or {near[-1]}?"
        )
    if render_mode not in (None, "rgb_array"):
        raise ArgumentError(
            f'Expected render_mode "rgb_array" or None. Found {render_mode!r}. Use "rgb_array" for pictures.'
        )
    env = AtariGame(spec.kwargs["game"], protocol, render_mode)
    env.spec = spec
    return env
