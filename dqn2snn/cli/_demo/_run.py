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
from dqn2snn.cli._demo._pictures import draw_curves, draw_decision
from dqn2snn.cli._demo._table import markdown_table
from dqn2snn.conversion import convert
from dqn2snn.errors import ArgumentError
from dqn2snn.io import zoo
from dqn2snn.io.checkpoints import QNetwork, load_q_network
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.evaluate import Comparison, compare_policies
from dqn2snn.play.study import AgreementStudy, fresh_rollout, study_agreement
from dqn2snn.plot.video import record_video

FORMAT_VERSION = 1
SHOWN = ("lunarlander", "minatar-freeway")
"""The agents that are worth a picture, the best first."""


@dataclass(frozen=True)
class DemoSettings:
    """Agents, episodes and steps of the demonstration.

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
    if output.exists() and not output.is_dir():
        raise ArgumentError(
            f"Expected a directory, or none yet. Found the file {str(output)!r}. Name another."
        )
    dqns = _load(settings)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as folder:
        staging = Path(folder)
        snns, studies, comparisons = {}, {}, {}
        for number, (name, dqn) in enumerate(dqns.items(), start=1):
            tell(f"[{number}/{len(dqns)}] {name}: {dqn.env_id}")
            snns[name] = snn = _convert(dqn, settings, progress)
            studies[name] = _study(dqn, snn, settings, progress)
            comparisons[name] = _play(dqn, snn, settings, progress)
        results = {
            "format_version": FORMAT_VERSION,
            "versions": _versions(),
            "settings": asdict(settings),
            "agents": {
                name: _described(dqns[name], snns[name], studies[name], comparisons[name]) for name in dqns
            },
        }
        text = json.dumps(results, indent=1, allow_nan=False)
        (staging / "results.json").write_text(text + "\n", encoding="utf-8")
        (staging / "table.md").write_text(markdown_table(results), encoding="utf-8")
        best = next((name for name in SHOWN if name in dqns), settings.agents[0])
        tell(f"drawing {best}")
        draw_curves({name: study.curve for name, study in studies.items()}, staging / "agreement.png")
        draw_decision(dqns[best], snns[best], settings.seed, staging / "raster.png")
        record_video(
            dqns[best],
            snns[best],
            staging / "playing.gif",
            seed=settings.seed,
            max_episode_steps=settings.video_steps,
            progress=progress,
        )
        output.mkdir(exist_ok=True)
        for file in staging.iterdir():
            os.replace(file, output / file.name)
    return dict(json.loads(text))  # with lists for tuples, as whoever reads the file finds it


def _convert(dqn: QNetwork, settings: DemoSettings, progress: bool) -> SpikingQNetwork:
    observations = collect_observations(
        dqn, settings.calibration_observations, seed=settings.seed, progress=progress
    )
    return convert(dqn, observations, recipe="tan2021", num_steps=settings.num_steps)


def _study(dqn: QNetwork, snn: SpikingQNetwork, settings: DemoSettings, progress: bool) -> AgreementStudy:
    rollout = fresh_rollout(
        dqn,
        settings.fresh_observations,
        seed=settings.seed,
        min_episodes=settings.fresh_episodes,
        epsilon=settings.epsilon,
        progress=progress,
    )
    return study_agreement(snn, rollout, num_steps=_curve_steps(settings.num_steps), progress=progress)


def _play(dqn: QNetwork, snn: SpikingQNetwork, settings: DemoSettings, progress: bool) -> Comparison:
    return compare_policies(
        dqn,
        snn,
        episodes=settings.episodes,
        seed=settings.seed,
        epsilon=settings.epsilon,
        num_envs=settings.episodes,
        progress=progress,
    )


def _described(
    dqn: QNetwork, snn: SpikingQNetwork, study: AgreementStudy, comparison: Comparison
) -> dict[str, Any]:
    return {
        "env_id": dqn.env_id,
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
    dqns = {name: load_q_network(name) for name in settings.agents}
    needed = [("gymnasium", "gym"), ("matplotlib", "plot"), ("PIL", "video")]
    if any(dqn.env_id.startswith("MinAtar/") for dqn in dqns.values()):
        needed.append(("minatar", "gym"))
    for module, extra in needed:  # before the first minute rather than after the last
        require(module, extra=extra)
    return dqns
