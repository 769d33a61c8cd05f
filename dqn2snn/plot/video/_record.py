"""Record a video: play one episode and draw its decisions."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn._utils.extras import require
from dqn2snn._utils.progress import progress_bar
from dqn2snn.errors import ArgumentError, MissingExtraError
from dqn2snn.network import network_of
from dqn2snn.plan import PlanOrNetwork
from dqn2snn.play.envs import action_names, check_env, env_of, make_env
from dqn2snn.play.policies import Places, Policy, device_of
from dqn2snn.play.rollout import play
from dqn2snn.plot.video._write import check_writable, write

if TYPE_CHECKING:
    import gymnasium

    from dqn2snn.network import SpikingQNetwork
    from dqn2snn.plot.video._scene import Decision


def record_video(
    dqn: Policy | None,
    snn: PlanOrNetwork,
    path: str | Path,
    *,
    env: str | None = None,
    seed: int = 0,
    epsilon: float = 0.0,
    max_episode_steps: int = 200,
    fps: int = 15,
    num_steps: int | None = None,
    progress: bool = True,
) -> Path:
    """Play one episode and save it as a video: the game, the spikes of each decision, the Q-values.

    Where a DQN is given, its Q-values stand beside those of the spiking network, and the decisions in which
    it would have chosen otherwise are marked.

    Args:
        dqn: The DQN that the spiking network was made of; None leaves it out.
        snn: The spiking network, which plays, or its plan.
        path: Where to save: ``.gif``, or ``.mp4``, for which imageio-ffmpeg must be installed. The file is
            there when it is complete, not before.
        env: Id of the environment; by default that which the DQN or the spiking network names as its `env_id`.
        seed: The episode starts with ``env.reset(seed=seed)``.
        epsilon: Probability of a random action.
        max_episode_steps: Longest video, in decisions.
        fps: Decisions a second.
        num_steps: Time steps of a decision; None takes the plan's.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The path. A GIF takes less than 2 MB: of one that would take more, frames are left out evenly.

    Raises:
        ArgumentError: If ``fps`` is not positive, or there is no environment.

    Example:
        >>> import dqn2snn, tempfile, torch
        >>> dqn = dqn2snn.load_q_network("minatar-breakout")
        >>> snn = dqn2snn.convert(dqn, torch.rand(64, 4, 10, 10), num_steps=32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     gif = record_video(dqn, snn, f"{folder}/breakout.gif", max_episode_steps=5)
        ...     gif.read_bytes()[:6]
        b'GIF89a'
    """
    path = Path(path)
    check_writable(path)
    if fps < 1:
        raise ArgumentError(f"Expected fps >= 1. Found {fps}. Fifteen decisions a second can be followed.")
    from dqn2snn.plot.video._scene import Scene
    from dqn2snn.plot.video._screen import draw

    snn = network_of(snn)
    name = env_of(env, dqn, snn)
    steps = snn.plan.check_steps(num_steps)
    with (
        closing(make_env(name, render_mode="rgb_array")) as game,
        progress_bar(total=max_episode_steps, label="record", unit="step", progress=progress) as bar,
    ):
        check_env(game, snn.plan.input_shape, snn.plan.num_actions)
        decisions = []
        limits = {"seed": seed, "max_episode_steps": max_episode_steps}
        for decision in _decisions(dqn, snn, game, steps, epsilon=epsilon, **limits):
            decisions.append(decision)
            bar.update()
        names = action_names(game)
    layers = tuple((layer.name, math.prod(layer.shape)) for layer in snn.plan.all_layers)
    scene = Scene(name, layers, names, steps, tuple(decisions))
    write(path, lambda index: draw(scene, index), len(decisions), fps)
    return path


def _decisions(
    dqn: Policy | None,
    snn: SpikingQNetwork,
    env: gymnasium.Env[Any, Any],
    num_steps: int,
    *,
    seed: int,
    epsilon: float,
    max_episode_steps: int,
) -> Iterator[Decision]:
    from dqn2snn.plot.video._scene import Decision, fit_game, shrink_spikes

    device = device_of(dqn) if dqn is not None else None
    stream = snn.stream(num_steps)
    waiting: list[tuple[NDArray[np.uint8], tuple[Tensor, ...]]] = []

    def decide(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        record = stream.record(observations, places.episode_start, spikes=True)
        # Drawn here, since after the step the environment shows what came of the decision.
        waiting.append((_render(env), record.spikes or ()))
        q_snn = record.q[-1].cpu()
        return (q_snn,) if dqn is None else (q_snn, dqn(observations.to(device)).cpu())

    total_reward = 0.0
    for step in play(
        decide, env, episode_ids=[0], seed=seed, epsilon=epsilon, max_episode_steps=max_episode_steps
    ):
        picture, spikes = waiting.pop()
        q_snn, *others = (q[0].double().numpy() for q in step.q)
        yield Decision(
            game=fit_game(picture),
            spikes=tuple(
                shrink_spikes(layer[:, 0].flatten(1).cpu().numpy(), len(spikes)) for layer in spikes
            ),
            q_snn=q_snn,
            q_dqn=others[0] if others else None,
            action=int(step.actions[0]),
            total_reward=total_reward,
        )
        total_reward += float(step.rewards[0])


def _render(env: gymnasium.Env[Any, Any]) -> NDArray[np.uint8]:
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        # SDL, with which pygame draws, else complains on standard error that there is no screen.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    missing = require("gymnasium", extra="gym").error.DependencyNotInstalled
    try:
        picture: NDArray[np.uint8] = np.asarray(env.render())
    except missing as error:
        raise MissingExtraError(f"Expected what draws {env} to be installed. {error}") from None
    return picture
