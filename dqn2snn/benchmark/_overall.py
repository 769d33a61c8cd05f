"""Over games: interquartile means of scores, with stratified bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dqn2snn.benchmark._game import Game, Runs
from dqn2snn.benchmark._statistics import bootstrap_interval, interquartile_mean, normalised, quotient
from dqn2snn.io.zoo import Reference
from dqn2snn.metrics.confidence import Interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Overall:
    """One way to convert, over all games that it was played in. Scores are those of seeds, IQM over games and seeds.

    Attributes:
        recipe: Name of the recipe.
        num_steps: T.
        percentile: Of the activations; None for the recipe's own.
        games: How many.
        ratio: IQM of return over the DQN's mean return, over the games in which that is above 0.
        human_dqn: IQM of human-normalised scores of the DQN, over the games that have references.
        human_snn: The same of the spiking network.
        human_difference: IQM of the spiking network minus IQM of the DQN, from the same resamples.
        agreement: Mean over the games.
    """

    recipe: str
    num_steps: int
    percentile: float | None
    games: int
    ratio: Interval | None
    human_dqn: Interval | None
    human_snn: Interval | None
    human_difference: Interval | None
    agreement: float


def overall_of(found: Sequence[tuple[Game, Runs]], references: Mapping[str, Reference]) -> Overall:
    """Aggregate one way to convert."""
    first = found[0][0]
    positive = [runs for game, runs in found if game.ratio is not None]
    known = [(runs, references[game.agent]) for game, runs in found if game.agent in references]

    def ratio(means: list[Array]) -> Array:
        # Each seed's mean over the game's mean of the DQN, so that one bad seed of the DQN makes no huge quotient.
        shares = [
            quotient(each[..., 0], np.broadcast_to(each[..., 1].mean(1, keepdims=True), each.shape[:2]))
            for each in means
        ]
        return interquartile_mean(np.concatenate(shares, axis=1))

    def human(means: list[Array], column: int) -> Array:
        scores = [
            normalised(each[..., column], *reference)
            for each, (_, reference) in zip(means, known, strict=True)
        ]
        return interquartile_mean(np.concatenate(scores, axis=1))

    games = [runs for runs, _ in known]
    return Overall(
        recipe=first.recipe,
        num_steps=first.num_steps,
        percentile=first.percentile,
        games=len(found),
        ratio=bootstrap_interval(positive, ratio) if positive else None,
        human_dqn=bootstrap_interval(games, lambda means: human(means, 1)) if games else None,
        human_snn=bootstrap_interval(games, lambda means: human(means, 0)) if games else None,
        human_difference=bootstrap_interval(games, lambda means: human(means, 0) - human(means, 1))
        if games
        else None,
        agreement=float(np.mean([game.agreement.mean for game, _ in found])),
    )
