"""Record a video of every Atari agent of the zoo: the game, spikes, Q-values, and where DQN and SNN differ."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

import dqn2snn
from dqn2snn import zoo
from dqn2snn._utils.arguments import Parser
from measuring.places import RESULTS

VIDEOS = RESULTS / "atari" / "videos"
NUM_STEPS = 16
DECISIONS = 100
OBSERVATIONS = 3000


def main(argv: Sequence[str]) -> None:
    """Convert and play.

    Args:
        argv: The arguments.
    """
    parser = Parser(prog="python docs/measure.py play_atari", description=__doc__)
    parser.add_argument("games", nargs="*", metavar="GAME", help="names of Atari agents (all)")
    names = parser.parse_args(argv).games
    torch.set_num_threads(1)
    VIDEOS.mkdir(parents=True, exist_ok=True)
    for name in names or zoo.atari_names():
        agent = dqn2snn.load_q_network(name)
        seen = dqn2snn.collect_observations(agent, OBSERVATIONS, epsilon=0.05)
        snn = dqn2snn.convert(agent, seen, recipe="rate+ftbc+ridge_all", num_steps=NUM_STEPS, progress=True)
        path = VIDEOS / f"{name}.gif"
        dqn2snn.record_video(agent, snn, path, seed=1, epsilon=0.05, max_episode_steps=DECISIONS)
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")
