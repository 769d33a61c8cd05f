"""Scores beside which a score on an Atari game is read: random play and a human's.

From the appendix of Wang et al. (2016), "Dueling network architectures for deep reinforcement learning", ICML, episodes
that begin with up to 30 no-ops: the table by which DeepMind's later papers normalise (van Hasselt et al., 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from dqn2snn._utils.atari import game_of


class Reference(NamedTuple):
    """The mean scores of random play and of a professional human tester."""

    random: float
    human: float


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "Atlantis": Reference(12850.0, 29028.1),
        "BeamRider": Reference(363.9, 16926.5),
        "Boxing": Reference(0.1, 12.1),
        "Breakout": Reference(1.7, 30.5),
        "CrazyClimber": Reference(10780.5, 35829.4),
        "Gopher": Reference(257.6, 2412.5),
        "Jamesbond": Reference(29.0, 302.8),
        "Kangaroo": Reference(52.0, 3035.0),
        "Krull": Reference(1598.0, 2665.5),
        "NameThisGame": Reference(2292.3, 8049.0),
        "Pong": Reference(-20.7, 14.6),
        "RoadRunner": Reference(11.5, 7845.0),
        "SpaceInvaders": Reference(148.0, 1668.7),
        "StarGunner": Reference(664.0, 10250.0),
        "Tennis": Reference(-23.8, -8.3),
        "Tutankham": Reference(11.4, 167.6),
        "VideoPinball": Reference(16256.9, 17667.9),
    }
)
"""By game, the 17 of Tan et al. (2021)."""


def reference_of(env: str) -> Reference | None:
    """The references of an environment.

    Args:
        env: Its gymnasium id.

    Returns:
        Reference | None: None if it is no Atari game, or one without references.

    Example:
        >>> reference_of("PongNoFrameskip-v4"), reference_of("CartPole-v1")
        (Reference(random=-20.7, human=14.6), None)
    """
    game = game_of(env)
    return None if game is None else REFERENCES.get(game)


def human_normalised(game: str, score: float) -> float:
    """Say where a score stands between random play, 0, and the human, 1.

    Args:
        game: One of `REFERENCES`.
        score: Raw score.

    Returns:
        (score - random) / (human - random).

    Example:
        >>> human_normalised("Breakout", 30.5)
        1.0
    """
    random, human = REFERENCES[game]
    return (score - random) / (human - random)
