"""What many lines come to: numbers for each game and each way to convert, and over the games."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dqn2snn._clusters import ClusterSums
from dqn2snn.benchmark.lines import Entry
from dqn2snn.benchmark.suite.settings import DQN, Unit
from dqn2snn.benchmark.suite.statistics import (
    bootstrap_interval,
    interquartile_mean,
    normalised,
    paired_p_value,
)
from dqn2snn.benchmark.suite.store import Results
from dqn2snn.confidence import (
    Interval,
    interval_of_mean,
    interval_of_proportion,
    mean_interval,
    paired_interval,
)
from dqn2snn.evaluate._policy import plain

__all__ = ["Game", "Overall", "Reference", "Summary", "summarise"]

Array = NDArray[np.float64]

Reference = tuple[float, float]
"""The scores of random play and of a human."""


@dataclass(frozen=True)
class Game:
    """A DQN and its spiking network in one game. Intervals have 95 %.

    Attributes:
        agent: Name of the agent.
        recipe: Name of the recipe.
        num_steps: T.
        percentile: Of the activations; None for the recipe's own.
        seeds: With episodes of both.
        episodes: Played by both.
        dqn: Mean return of the DQN.
        snn: Mean return of the spiking network.
        difference: Mean of spiking network minus DQN over paired episodes.
        p_value: Of that, by random signs.
        ratio: Mean return of the spiking network over that of the DQN; None unless the latter is above 0.
        human_dqn: The DQN's score with random play 0 and a human 1; None where these are not known.
        human_snn: The spiking network's.
        agreement: Share of the spiking network's decisions that are the DQN's, by the robust readout; by episode.
        agreement_spike_count: By the spike-count readout on the same states.
        operations: Synaptic operations of a decision.
        spikes: Spikes of the hidden layers in a decision.
    """

    agent: str
    recipe: str
    num_steps: int
    percentile: float | None
    seeds: tuple[int, ...]
    episodes: int
    dqn: Interval
    snn: Interval
    difference: Interval
    p_value: float
    ratio: Interval | None
    human_dqn: float | None
    human_snn: float | None
    agreement: Interval
    agreement_spike_count: Interval
    operations: Interval
    spikes: Interval


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


@dataclass(frozen=True)
class Summary:
    """The report in numbers.

    Attributes:
        protocol: The conditions.
        games: Sorted by agent, recipe, T and percentile.
        overall: Sorted by recipe, T and percentile.
        refused: Conversions that cannot be, and why.
    """

    protocol: Mapping[str, Any]
    games: tuple[Game, ...]
    overall: tuple[Overall, ...]
    refused: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data that `json.dumps` takes."""
        return plain(self)


def summarise(results: Results, references: Mapping[str, Reference] | None = None) -> Summary:
    """Compare every spiking network with its DQN in the episodes that both have finished.

    Args:
        results: What is known.
        references: Scores of random play and of a human, for the agents that have them.

    Returns:
        Summary: The numbers.
    """
    known = dict(references or {})
    by_unit: dict[Unit, dict[int, Entry]] = defaultdict(dict)
    for (unit, number), entry in results.episodes.items():
        by_unit[unit][number] = entry
    ways: dict[Unit, list[Unit]] = defaultdict(list)
    for unit in by_unit:
        if unit.recipe != DQN:
            ways[replace(unit, seed=0)].append(unit)
    paired: dict[Unit, tuple[Game, list[Array]]] = {}
    for way, seeds in sorted(ways.items(), key=lambda item: _order(item[0])):
        found = _game(way, sorted(seeds, key=lambda unit: unit.seed), by_unit, known.get(way.agent))
        if found is not None:
            paired[way] = found
    everywhere: dict[Unit, list[tuple[Game, list[Array]]]] = defaultdict(list)
    for way, found in paired.items():
        everywhere[replace(way, agent="")].append(found)
    return Summary(
        protocol=asdict(results.protocol),
        games=tuple(game for game, _ in paired.values()),
        overall=tuple(_overall(everywhere[way], known) for way in sorted(everywhere, key=_order)),
        refused={str(unit): reason for unit, reason in results.refused.items()},
    )


def _order(unit: Unit) -> tuple[Any, ...]:
    return unit.agent, unit.recipe, unit.num_steps, unit.percentile or 0.0, unit.seed


def _game(
    way: Unit,
    seeds: Sequence[Unit],
    by_unit: Mapping[Unit, Mapping[int, Entry]],
    reference: Reference | None,
) -> tuple[Game, list[Array]] | None:
    """One game, and the paired returns of each seed, ``[N, 2]``; None without a pair."""
    runs, used = [], []
    for unit in seeds:
        snn, dqn = by_unit[unit], by_unit.get(Unit(unit.agent, DQN, 0, None, unit.seed), {})
        both = sorted(snn.keys() & dqn.keys())
        if both:
            used.append(unit)
            runs.append(np.array([[snn[number]["return"], dqn[number]["return"]] for number in both], float))
    if not runs:
        return None
    episodes = [entry for unit in used for _, entry in sorted(by_unit[unit].items())]
    spiking, dqn_returns = np.concatenate(runs).T
    human = [
        None if reference is None else float(normalised(returns.mean(), *reference))
        for returns in (spiking, dqn_returns)
    ]
    return Game(
        agent=way.agent,
        recipe=way.recipe,
        num_steps=way.num_steps,
        percentile=way.percentile,
        seeds=tuple(unit.seed for unit in used),
        episodes=len(spiking),
        dqn=mean_interval(dqn_returns),
        snn=mean_interval(spiking),
        difference=paired_interval(spiking, dqn_returns),
        p_value=paired_p_value(spiking - dqn_returns),
        ratio=bootstrap_interval([runs], _ratio_of_means) if dqn_returns.mean() > 0 else None,
        human_dqn=human[1],
        human_snn=human[0],
        agreement=interval_of_proportion(_per_decision(episodes, "agreed")),
        agreement_spike_count=interval_of_proportion(_per_decision(episodes, "agreed_spike_count")),
        operations=interval_of_mean(_per_decision(episodes, "operations")),
        spikes=interval_of_mean(_per_decision(episodes, "spikes")),
    ), runs


def _per_decision(episodes: Sequence[Entry], name: str) -> ClusterSums:
    """Sums over the decisions of each episode, which is a cluster."""
    lengths = torch.tensor([entry["length"] for entry in episodes], dtype=torch.float64)
    numerators = torch.tensor([entry[name] for entry in episodes], dtype=torch.float64)
    return ClusterSums(torch.arange(len(episodes)), lengths, numerators, lengths, lengths)


def _ratio_of_means(means: list[Array]) -> Array:
    total = means[0].mean(1)
    return _quotient(total[:, 0], total[:, 1])


def _quotient(a: Array, b: Array) -> Array:
    """Infinite where a resample of the DQN's episodes has no return above 0."""
    quotient: Array = np.divide(a, b, out=np.full_like(a, np.inf), where=b > 0)
    return quotient


def _overall(found: Sequence[tuple[Game, list[Array]]], references: Mapping[str, Reference]) -> Overall:
    first = found[0][0]
    positive = [runs for game, runs in found if game.ratio is not None]
    known = [(runs, references[game.agent]) for game, runs in found if game.agent in references]

    def ratio(means: list[Array]) -> Array:
        # Each seed's mean over the game's mean of the DQN, so that one bad seed of the DQN makes no huge quotient.
        shares = [
            _quotient(each[..., 0], np.broadcast_to(each[..., 1].mean(1, keepdims=True), each.shape[:2]))
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
