"""Scores under a perturbation, as a share of those without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dqn2snn.benchmark._game import Game
from dqn2snn.benchmark._perturb import NONE
from dqn2snn.benchmark._settings import DQN, Unit
from dqn2snn.benchmark._statistics import bootstrap_interval, quotient
from dqn2snn.benchmark._store import Entry
from dqn2snn.metrics.confidence import Interval

Episodes = Mapping[Unit, Mapping[int, Entry]]


@dataclass(frozen=True)
class Robustness:
    """A DQN and its spiking network in one game under one perturbation. Intervals have 95 %.

    Attributes:
        perturbation: Its name.
        game: Their numbers under it.
        dqn_share: Mean return of the DQN over that without perturbation, in the same episodes; None where it is not
            above 0, or was not played.
        snn_share: The spiking network's.
    """

    perturbation: str
    game: Game
    dqn_share: Interval | None
    snn_share: Interval | None


def robustness_of(perturbation: str, game: Game, seeds: Sequence[Unit], by_unit: Episodes) -> Robustness:
    """Compare a game with the same one without perturbation."""
    dqns = [replace(unit, recipe=DQN, num_steps=0, percentile=None) for unit in seeds]
    return Robustness(perturbation, game, _share(dqns, by_unit), _share(seeds, by_unit))


def _share(seeds: Sequence[Unit], by_unit: Episodes) -> Interval | None:
    runs = []
    for unit in seeds:
        spoilt, clean = by_unit.get(unit, {}), by_unit.get(replace(unit, perturbation=NONE), {})
        both = sorted(spoilt.keys() & clean.keys())
        if both:
            runs.append(np.array([[spoilt[each]["return"], clean[each]["return"]] for each in both], float))
    if not runs or np.concatenate(runs)[:, 1].mean() <= 0:
        return None
    return bootstrap_interval([runs], _quotient)


def _quotient(means: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    total = means[0].mean(1)
    return quotient(total[:, 0], total[:, 1])
