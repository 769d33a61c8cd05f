"""Play every Atari game of the zoo at random, under the protocol of its agents and from the same starts.

python docs/measure.py random_atari

adds the games that are missing to docs/results/atari/random.json. What is published for random play is far from it on
VideoPinball.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from torch import Tensor

from dqn2snn import QNetwork, load_q_network, zoo
from dqn2snn._utils.arguments import Parser
from dqn2snn.io.zoo import Score
from dqn2snn.play.evaluate import evaluate_policy
from measuring.places import RESULTS

FOUND = RESULTS / "atari" / "random.json"


def play(agent: QNetwork) -> Score:
    """Score random play of an agent's game, in as many games as the agent played."""
    card = agent.config["evaluation"]

    def indifferent(frames: Tensor) -> Tensor:
        return torch.zeros(len(frames), agent.config["num_actions"])

    return zoo.score_of(
        evaluate_policy(
            indifferent, agent.env_id, episodes=card["episodes"], seed=card["seed"], epsilon=1.0, num_envs=30
        )
    )


def main(argv: Sequence[str]) -> None:
    """Play what is missing; each game is kept once it is played."""
    Parser(prog="python docs/measure.py random_atari", description=__doc__).parse_args(argv)
    torch.set_num_threads(1)
    found = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    for agent in map(load_q_network, zoo.atari_names()):
        if agent.env_id not in found:
            found[agent.env_id] = play(agent)
            FOUND.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
