"""Make agents of the zoo from Atari checkpoints, or measure agents of the zoo again.

    python examples/export_atari.py zoo/atari/road_runner zoo/atari/krull
    python examples/export_atari.py --check zoo/atari/road_runner

The first reads the checkpoint in each directory (QR-DQN, as `zoo/atari/README.md` describes it), averages the quantiles
of its head, which gives a plain DQN with the same Q-values, rounds it to half precision, and scores what was rounded:
30 whole games greedily, and 30 with epsilon 0.05. The agent is written beside the checkpoint. A `curve.jsonl` that is
there becomes its learning curve.

The second plays the games of each agent's scores again, and fails if a mean has left the interval on its card.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from atari.curve import read_curve
from atari.export import Description, read_export
from atari.messages import one_line
from atari.network import SCREEN_BODIES, averaged
from atari.settings import Settings
from dqn2snn import QNetwork, load_q_network, zoo
from dqn2snn.errors import CheckpointError
from dqn2snn.play.envs import action_names, make_env, spaces_of
from dqn2snn.play.evaluate import Evaluation, evaluate_policy

EPSILONS = (0.0, 0.05)
SEED = 10_000  # far from the seeds of training


def main() -> None:
    """Export or check."""
    parser = argparse.ArgumentParser(description="Make agents of the zoo from Atari checkpoints.")
    parser.add_argument("directories", type=Path, nargs="+", metavar="DIRECTORY")
    parser.add_argument("--episodes", type=int, default=30, help="whole games of each score (30)")
    parser.add_argument("--check", action="store_true", help="measure the agents that are there again")
    args = parser.parse_args()
    torch.set_num_threads(1)  # small networks: more threads only wait for each other
    if args.check:
        checks = [check(directory) for directory in args.directories]  # all of them, whatever the first says
        sys.exit(not all(checks))
    for directory in args.directories:
        export(directory, args.episodes)


def export(directory: Path, episodes: int) -> None:
    """Write the agent of a checkpoint beside it."""
    trained, description = read_export(directory)
    game, body = description["game"], description["body"]
    if body not in SCREEN_BODIES:
        raise CheckpointError(
            f"{directory}: Expected a network that sees frames. Found body {body!r}, which sees the console's memory. "
            "Teach one of frames what it knows: examples/distill_atari.py."
        )
    env_id = f"{_titled(game)}NoFrameskip-v4"
    network = zoo.round_to_half(averaged(trained))
    scores = [
        zoo.score_of(evaluate_policy(network, env_id, episodes=episodes, seed=SEED, epsilon=epsilon))
        for epsilon in EPSILONS
    ]
    env = make_env(env_id)
    with tempfile.TemporaryDirectory() as scratch:
        dqn = zoo.save_agent(
            Path(scratch) / "agent",
            network,
            name=_titled(game if body == Settings.body else f"{game}_{body}"),  # as load_q_network finds it
            env=env_id,
            observation_shape=spaces_of(env).observation_shape,
            training=training_of(description),
            evaluation=scores[0],
            limitations="Trained for far fewer than the 50 million steps of the literature, on one core: other DQNs "
            "score higher.",
            also_evaluated=scores[1:],
            action_names=action_names(env),
            curve=read_curve(directory),
        )
        for path in (Path(scratch) / "agent").iterdir():
            shutil.copy(path, directory)
    print(f"{dqn.name}: mean score {scores[0]['mean']:,.0f}, with epsilon 0.05 {scores[1]['mean']:,.0f}")


def _titled(name: str) -> str:
    return name.title().replace("_", "")


def training_of(description: Description) -> zoo.Training:
    """Say what the checkpoint says of its training."""
    settings: dict[str, Any] = {"body": description["body"], **description["training"]}
    stages = [settings, *settings.get("before", [])]
    lessons = [each["distilled"]["from"] for each in stages if "distilled" in each]
    taught = ", regressed on a trained network of another body" if lessons else ""
    taught += ", which saw the console's memory" if "ram" in lessons else ""
    return {
        "algorithm": f"QR-DQN (Dabney et al., 2018){taught}, its quantiles averaged into a plain DQN",
        "library": "torch and ale-py; exported by examples/export_atari.py",
        "total_steps": description["steps"],
        "wall_seconds": settings.pop("wall_seconds", None),
        "seed": settings.pop("seed", None),
        "hyperparameters": settings,
    }


def check(directory: Path) -> bool:
    """Play the games of an agent's scores again, and tell whether the means are within their intervals."""
    dqn = load_q_network(directory)
    config = dqn.config
    held = [holds(dqn, score) for score in (config["evaluation"], *config.get("also_evaluated", []))]
    return all(held)


def holds(dqn: QNetwork, score: zoo.Score) -> bool:
    """Measure one score again, and tell whether its mean is within the interval."""
    found: Evaluation = evaluate_policy(
        dqn,
        episodes=score["episodes"],
        seed=score["seed"],
        epsilon=score["epsilon"],
        max_episode_steps=score["max_steps"],
    )
    low, high = score["ci95"]
    same = sum(a == b for a, b in zip(found.returns, score["returns"], strict=True))
    print(
        f"{dqn.name}, epsilon {score['epsilon']:g}: {found.interval.mean:,.1f}, on the card {score['mean']:,.1f} "
        f"[{low:,.1f}, {high:,.1f}]; {same} of {score['episodes']} games score the same"
    )
    return low <= found.interval.mean <= high


if __name__ == "__main__":
    with one_line():
        main()
