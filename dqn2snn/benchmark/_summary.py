"""A summary of many lines: numbers for each game and each way to convert, and over the games."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dqn2snn.benchmark._game import Game, Runs, game_of
from dqn2snn.benchmark._overall import Overall, overall_of
from dqn2snn.benchmark._perturb import NONE, Perturbation
from dqn2snn.benchmark._results import Results
from dqn2snn.benchmark._robustness import Robustness, robustness_of
from dqn2snn.benchmark._settings import DQN, Unit
from dqn2snn.benchmark._store import Entry
from dqn2snn.io.zoo import Reference
from dqn2snn.play.evaluate._policy import plain


@dataclass(frozen=True)
class Summary:
    """The report in numbers.

    Attributes:
        conditions: The same for all that is in one file.
        games: Sorted by agent, recipe, T and percentile.
        overall: Sorted by recipe, T and percentile.
        robustness: Games under perturbations, sorted like games, then by perturbation.
        refused: Conversions that cannot be, and why.
    """

    protocol: Mapping[str, Any]
    games: tuple[Game, ...]
    overall: tuple[Overall, ...]
    robustness: tuple[Robustness, ...]
    refused: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain data that `json.dumps` takes."""
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
    paired: dict[Unit, tuple[Game, Runs]] = {}
    robustness: list[Robustness] = []
    for way, seeds in sorted(ways.items(), key=lambda item: _order(item[0])):
        seeds = sorted(seeds, key=lambda unit: unit.seed)
        found = game_of(way, seeds, by_unit, known.get(way.agent))
        if found is not None and way.perturbation == NONE:
            paired[way] = found
        elif found is not None:
            robustness.append(robustness_of(way.perturbation, found[0], seeds, by_unit))
    everywhere: dict[Unit, list[tuple[Game, Runs]]] = defaultdict(list)
    for way, found in paired.items():
        everywhere[replace(way, agent="")].append(found)
    return Summary(
        protocol=results.conditions.key,
        games=tuple(game for game, _ in paired.values()),
        overall=tuple(overall_of(everywhere[way], known) for way in sorted(everywhere, key=_order)),
        robustness=tuple(robustness),
        refused={str(unit): reason for unit, reason in results.refused.items()},
    )


def _order(unit: Unit) -> tuple[Any, ...]:
    perturbation = Perturbation.of(unit.perturbation)
    return (
        unit.agent,
        unit.recipe,
        unit.num_steps,
        unit.percentile or 0.0,
        perturbation.kind,
        perturbation.amount,
        unit.seed,
    )
