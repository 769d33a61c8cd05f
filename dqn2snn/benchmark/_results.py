"""The directory of a benchmark: finished episodes as lines of JSON, under one set of conditions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dqn2snn.benchmark import _store as store
from dqn2snn.benchmark._settings import DQN, Conditions, Unit
from dqn2snn.benchmark._store import Entry
from dqn2snn.errors import CheckpointError

FILE = "episodes.jsonl"
FORMAT_VERSION = 2

_KIND = "benchmark"
_WHAT = "a benchmark of dqn2snn"
_OF_ALL = ("episode", "return", "length")
_OF_SPIKING = ("agreed", "agreed_spike_count", "spikes", "operations")


@dataclass(frozen=True)
class Results:
    """Conditions and episodes of a benchmark.

    Attributes:
        conditions: The same for all that is in one file.
        episodes: Finished episodes by who played and their numbers.
        refused: Why there is no such spiking network.
    """

    conditions: Conditions
    episodes: dict[tuple[Unit, int], Entry] = field(default_factory=dict)
    refused: dict[Unit, str] = field(default_factory=dict)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take lines of the file into account."""
        for entry in entries:
            try:
                unit = Unit.of(entry)
                if "refused" in entry:
                    self.refused[unit] = str(entry["refused"])
                    continue
                place = unit, _checked(entry, unit)
                twice = place in self.episodes
            except (KeyError, TypeError, ValueError) as error:
                raise CheckpointError(
                    f"Expected an episode. Found {entry}, without a right {error}. Remove the line."
                ) from None
            if twice:
                raise CheckpointError(
                    f"Expected every episode once. Found two lines of {unit}, episode {place[1]}. Remove one."
                )
            self.episodes[place] = entry


def _checked(entry: Entry, unit: Unit) -> int:
    """The number of the episode, of which all is there."""
    for name in _OF_ALL if unit.recipe == DQN else (*_OF_ALL, *_OF_SPIKING):
        if not isinstance(entry[name], (int, float)) or not math.isfinite(entry[name]):
            raise ValueError(repr(name))
    if entry["length"] < 1:
        raise ValueError("'length'")
    return int(entry["episode"])


def read(directory: Path) -> Results:
    """Read the results of a benchmark, whole lines only.

    Args:
        directory: Where it wrote.

    Returns:
        Results: All of it.

    Raises:
        CheckpointError: If there is something else.
    """
    path = directory / FILE
    header, entries = store.read(path, _WHAT)
    try:
        conditions = Conditions.of(header["protocol"])
        if header != _header(conditions):
            raise ValueError(f"kind {header.get('kind')!r}, format {header.get('format_version')!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise store.refusal(path, _WHAT, error) from None
    return _results(path, conditions, entries)


def begin(directory: Path, conditions: Conditions) -> Results:
    """Make the directory, or make one that is there ready to be gone on with."""
    path = directory / FILE
    return _results(path, conditions, store.begin(path, _header(conditions), _WHAT))


def check_weights(results: Results, weights: Mapping[str, str]) -> None:
    """Refuse to mix episodes of different networks under one name."""
    for (unit, _), entry in results.episodes.items():
        expected = weights.get(unit.agent, entry.get("weights"))
        if entry.get("weights") != expected:
            raise CheckpointError(
                f"Expected episodes of {unit.agent} with the weights {expected}. Found {entry.get('weights')}. "
                "The agent has changed: choose another directory."
            )


def _header(conditions: Conditions) -> dict[str, Any]:
    return {"kind": _KIND, "format_version": FORMAT_VERSION, "protocol": conditions.key}


def _results(path: Path, conditions: Conditions, entries: Iterable[Entry]) -> Results:
    results = Results(conditions)
    try:
        results.add(entries)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return results
