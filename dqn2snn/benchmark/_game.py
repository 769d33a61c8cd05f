"""One game: a DQN and a way to convert it, in the episodes that both have finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dqn2snn.benchmark._settings import DQN, Unit
from dqn2snn.benchmark._statistics import bootstrap_interval, normalised, paired_p_value, quotient
from dqn2snn.benchmark._store import Entry
from dqn2snn.io.zoo import Reference
from dqn2snn.metrics._clusters import ClusterSums
from dqn2snn.metrics.confidence import (
    Interval,
    interval_of_mean,
    interval_of_proportion,
    mean_interval,
    paired_interval,
)

Array = NDArray[np.float64]

Runs = list[Array]
"""Of each seed, the returns of spiking network and DQN in the episodes of both, ``[N, 2]``."""


@dataclass(frozen=True)
class Game:
    """A DQN and its spiking network in one game. Intervals have 95 %.

    Attributes:
        agent: Name of the agent.
        recipe: Name of the recipe.
        num_steps: T; 0 of the clipped DQN.
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


def game_of(
    way: Unit,
    seeds: Sequence[Unit],
    by_unit: Mapping[Unit, Mapping[int, Entry]],
    reference: Reference | None,
) -> tuple[Game, Runs] | None:
    """Compare in one game.

    Args:
        way: The unit, whatever its seed.
        seeds: The units of all seeds.
        by_unit: Finished episodes of each unit by their numbers, the DQNs' too.
        reference: Scores of random play and of a human, if known.

    Returns:
        tuple[Game, Runs] | None: The numbers, and the returns that they come from; None without a paired episode.
    """
    runs, used = [], []
    for unit in seeds:
        dqn_unit = replace(unit, recipe=DQN, num_steps=0, percentile=None)
        snn, dqn = by_unit[unit], by_unit.get(dqn_unit, {})
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
        ratio=bootstrap_interval([runs], _ratio) if dqn_returns.mean() > 0 else None,
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


def _ratio(means: list[Array]) -> Array:
    total = means[0].mean(1)
    return quotient(total[:, 0], total[:, 1])
