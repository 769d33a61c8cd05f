"""From agents to a directory of results."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import dqn2snn
from dqn2snn._utils.extras import require
from dqn2snn.cli._demo._pictures import draw_agreement, draw_decision
from dqn2snn.cli._demo._table import markdown_table
from dqn2snn.conversion import convert
from dqn2snn.errors import ArgumentError
from dqn2snn.io import zoo
from dqn2snn.io.checkpoints import QNetwork
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.evaluate import compare_policies
from dqn2snn.play.study import fresh_rollout, study_agreement
from dqn2snn.plot.video import record_video

__all__ = ["DemoSettings", "run_demo"]

FORMAT_VERSION = 1
SHOWN = ("lunarlander", "minatar-freeway")
"""The agents that are worth a picture, the best first."""


@dataclass(frozen=True)
class DemoSettings:
    """What the demonstration does.

    Attributes:
        agents: Names of shipped agents.
        num_steps: Time steps of a decision.
        episodes: Episodes that each network plays.
        epsilon: Probability of a random action in them.
        calibration_observations: Observations that a conversion sees.
        fresh_observations: Observations that the curves over T are measured on.
        fresh_episodes: From how many episodes they are, at least.
        video_steps: Longest video, in decisions.
        seed: Determines all episodes.
    """

    agents: tuple[str, ...] = field(default_factory=zoo.names)
    num_steps: int = 500
    episodes: int = 50
    epsilon: float = 0.05
    calibration_observations: int = 5_000
    fresh_observations: int = 1_000
    fresh_episodes: int = 20
    video_steps: int = 300
    seed: int = 0

    @staticmethod
    def quick() -> DemoSettings:
        """Half a minute: small agents, few steps and episodes."""
        return DemoSettings(
            agents=("cartpole", "lunarlander", "minatar-breakout"),
            num_steps=100,
            episodes=10,
            calibration_observations=1_000,
            fresh_observations=500,
            fresh_episodes=10,
            video_steps=100,
        )


def run_demo(
    output: Path,
    settings: DemoSettings | None = None,
    *,
    tell: Callable[[str], None] = lambda message: None,
    progress: bool = True,
) -> dict[str, Any]:
    """Convert, measure, play and draw.

    Args:
        output: Directory for the results; all of them appear when everything is done.
        settings: What to do; by default all agents, as in the paper.
        tell: Is told what happens next.
        progress: Show progress bars when standard error is a terminal.

    Returns:
        dict[str, Any]: The content of `results.json`.

    Raises:
        ArgumentError: If there is no agent, or `output` is not a directory.
        CheckpointError: If an agent is unknown.
        MissingExtraError: If gymnasium, matplotlib or Pillow is not installed.
    """
    settings = DemoSettings() if settings is None else settings
    _check_output(output)
    agents = _load(settings)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as folder:
        staging = Path(folder)
        results, networks = _measure(agents, settings, tell, progress)
        (staging / "results.json").write_text(
            json.dumps(results, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        (staging / "table.md").write_text(markdown_table(results), encoding="utf-8")
        shown = agents[next((name for name in SHOWN if name in agents), settings.agents[0])]
        tell(f"drawing {shown.name}")
        draw_agreement(results, staging / "agreement.png")
        draw_decision(shown, networks[shown.name], settings.seed, staging / "raster.png")
        record_video(
            shown,
            networks[shown.name],
            staging / "playing.gif",
            seed=settings.seed,
            max_episode_steps=settings.video_steps,
            progress=progress,
        )
        output.mkdir(exist_ok=True)
        for file in staging.iterdir():
            os.replace(file, output / file.name)
    return results


def _measure(
    agents: dict[str, QNetwork], settings: DemoSettings, tell: Callable[[str], None], progress: bool
) -> tuple[dict[str, Any], dict[str, SpikingQNetwork]]:
    measured, networks = {}, {}
    for number, (name, agent) in enumerate(agents.items(), start=1):
        tell(f"[{number}/{len(agents)}] {name}: {agent.env_id}")
        networks[name] = _convert(agent, settings, progress)
        measured[name] = _measure_agent(agent, networks[name], settings, progress)
    results = {
        "format_version": FORMAT_VERSION,
        "versions": _versions(),
        "settings": asdict(settings),
        "agents": measured,
    }
    # Through JSON, so that what is drawn here is what can be drawn from the file.
    return json.loads(json.dumps(results, allow_nan=False)), networks


def _convert(agent: QNetwork, settings: DemoSettings, progress: bool) -> SpikingQNetwork:
    observations = collect_observations(
        agent, settings.calibration_observations, seed=settings.seed, progress=progress
    )
    return convert(agent, observations, recipe="tan2021", num_steps=settings.num_steps)


def _measure_agent(
    agent: QNetwork, snn: SpikingQNetwork, settings: DemoSettings, progress: bool
) -> dict[str, Any]:
    rollout = fresh_rollout(
        agent,
        settings.fresh_observations,
        seed=settings.seed,
        min_episodes=settings.fresh_episodes,
        epsilon=settings.epsilon,
        progress=progress,
    )
    study = study_agreement(snn, rollout, num_steps=_curve_steps(settings.num_steps), progress=progress)
    comparison = compare_policies(
        agent,
        snn,
        episodes=settings.episodes,
        seed=settings.seed,
        epsilon=settings.epsilon,
        num_envs=settings.episodes,
        progress=progress,
    )
    return {
        "env_id": agent.env_id,
        "recipe": snn.plan.recipe,
        "reference": snn.plan.reference,
        "num_steps": snn.plan.num_steps,
        "calibration": dict(snn.plan.report),
        "on_fresh_observations": study.to_dict(),
        "in_play": comparison.to_dict(),
    }


def _curve_steps(num_steps: int) -> tuple[int, ...]:
    """Some thirty numbers of steps, each a little larger than the one before."""
    return tuple(np.unique(np.geomspace(1, num_steps, 40).round().astype(int)).tolist())


def _versions() -> dict[str, str]:
    packages = ("torch", "snntorch", "numpy", "gymnasium", "minatar")
    return {
        "dqn2snn": dqn2snn.__version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def _load(settings: DemoSettings) -> dict[str, QNetwork]:
    if not settings.agents:
        raise ArgumentError(f"Expected at least one agent. Found none. There are {', '.join(zoo.names())}.")
    agents = {name: dqn2snn.load_q_network(name) for name in settings.agents}
    # What is missing is told before the first minute, not after the last.
    needed = [("gymnasium", "gym"), ("matplotlib", "plot"), ("PIL", "video")]
    if any(agent.env_id.startswith("MinAtar/") for agent in agents.values()):
        needed.append(("minatar", "gym"))
    for module, extra in needed:
        require(module, extra=extra)
    return agents


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise ArgumentError(
            f"Expected a directory, or none yet. Found the file {str(output)!r}. Name another."
        )
