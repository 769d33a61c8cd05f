"""Perturbations of an episode by their names: bar=40, gaussian=0.1, salt_and_pepper=0.05, weights=0.1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from dqn2snn.analysis.perturbation import bar, gaussian, salt_and_pepper
from dqn2snn.errors import ArgumentError
from dqn2snn.play.envs import make_env
from dqn2snn.play.policies import Places, Player

NONE = "none"
WEIGHTS = "weights"
KINDS = ("bar", "gaussian", "salt_and_pepper", WEIGHTS)

_STEPS = 2**20
"""More than an episode has, so that each decision of each episode has random numbers of its own."""


@dataclass(frozen=True)
class Perturbation:
    """A kind out of `KINDS`, and how strong it is.

    Attributes:
        kind: Its name, or `NONE`.
        amount: The first row of the bar; a share of the range of observations, of the numbers in them, or of each
            weight.
    """

    kind: str
    amount: float

    @staticmethod
    def of(name: str) -> Perturbation:
        """Read a name.

        Raises:
            ArgumentError: If nobody knows it.

        Example:
            >>> Perturbation.of("gaussian=0.1"), Perturbation.of("none")
            (Perturbation(kind='gaussian', amount=0.1), Perturbation(kind='none', amount=0.0))
        """
        if name == NONE:
            return Perturbation(NONE, 0.0)
        kind, _, amount = name.partition("=")
        try:
            number = float(amount)
        except ValueError:
            number = -1.0
        whole = kind != "bar" or number == int(number)
        if kind not in KINDS or not 0 <= number < float("inf") or not whole:
            raise ArgumentError(
                f"Expected a perturbation out of {', '.join(KINDS)} with a number, or {NONE}. Found {name!r}. Write "
                "bar=40, gaussian=0.1, salt_and_pepper=0.05 or weights=0.1."
            )
        return Perturbation(kind, number)


def perturbed(
    q_functions: Player, perturbation: Perturbation, env: str, episode_ids: Sequence[int], seed: int
) -> Player:
    """Q-values of observations that are spoilt before anybody sees them.

    Args:
        q_functions: The networks.
        perturbation: Of observations.
        env: Where they come from.
        episode_ids: The episode in each environment.
        seed: Determines the noise, with the episode and the number of the decision.

    Returns:
        Player: The same, for networks that see badly.
    """
    low, high, whole = _range(env)
    spoil = _spoiler(perturbation, low, high)
    decisions: Counter[int] = Counter()

    def q(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        seen = []
        for observation, place in zip(observations, places.rows.tolist(), strict=True):
            stream = torch.Generator().manual_seed(
                (seed + episode_ids[place]) * _STEPS % 2**62 + decisions[place]
            )
            decisions[place] += 1
            seen.append(spoil(observation, stream))
        spoilt = torch.stack(seen)
        return q_functions(spoilt.round() if whole else spoilt, places)

    return q


def _spoiler(
    perturbation: Perturbation, low: float, high: float
) -> Callable[[Tensor, torch.Generator], Tensor]:
    kind, amount = perturbation.kind, perturbation.amount
    if kind == "bar":
        return lambda observation, _: bar(observation, int(amount), low=low)
    spoil = {"gaussian": gaussian, "salt_and_pepper": salt_and_pepper}[kind]
    return lambda observation, stream: spoil(observation, amount, low=low, high=high, generator=stream)


@lru_cache(maxsize=8)
def _range(env_id: str) -> tuple[float, float, bool]:
    """Lowest and highest observation, and whether all are whole numbers."""
    with closing(make_env(env_id)) as env:
        space = env.observation_space
        assert space.dtype is not None
        assert hasattr(space, "low")
        assert hasattr(space, "high")
        return float(space.low.min()), float(space.high.max()), space.dtype.kind in "iu"
