"""All episodes that are not there yet, by one process or by many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dqn2snn.benchmark import _store as store
from dqn2snn.benchmark._episode import play_episodes
from dqn2snn.benchmark._network import plan_of, plan_path, weights_of
from dqn2snn.benchmark._results import FILE, Results, begin, check_weights
from dqn2snn.benchmark._schedule import Task, carry_out
from dqn2snn.benchmark._settings import DQN, Conditions, Settings, Unit, check, units
from dqn2snn.benchmark._spread import spreading
from dqn2snn.benchmark._store import Entry
from dqn2snn.errors import Dqn2SnnError


def run(
    settings: Settings,
    directory: str | os.PathLike[str],
    *,
    jobs: int = 1,
    backend: str = "loky",
    address: str | None = None,
    progress: bool = True,
) -> tuple[Results, list[str]]:
    """Play what is missing, and keep each episode as soon as it is finished.

    This process alone writes; whoever works, here or elsewhere, hands finished episodes to it. Conversions come
    first, each in a file of its own, then episodes, each as a line.

    Args:
        settings: Which episodes, and how.
        directory: Where to write, and to go on.
        jobs: Processes that work, each with one thread.
        backend: Of joblib: "loky", "dask" or "ray".
        address: Of a cluster's scheduler; see `spreading`.
        progress: Show progress bars when standard error is a terminal.

    Returns:
        tuple[Results, list[str]]: All that the directory holds, and where something broke, with the reason.

    Raises:
        ArgumentError: If the settings are wrong.
        CheckpointError: If the directory holds something else, is of other conditions, or is being written to.
        MissingExtraError: If joblib, or a package that the backend needs, is not installed.
    """
    check(settings)
    home = Path(directory).absolute()
    path = home / FILE
    with store.only_writer(path):
        results = begin(home, settings.conditions)
        check_weights(results, {agent: weights_of(agent) for agent in settings.agents})

        def keep(entries: list[Entry]) -> None:
            store.append(path, entries)
            results.add(entries)

        with spreading(jobs, backend, address) as spread:
            broken = carry_out(_conversions(settings, home, results), keep, spread, "convert", progress)
            alone = jobs == 1 and backend == "loky"  # bars of many processes would write over each other
            todo = _episodes(settings, home, results, progress and alone)
            broken += carry_out(todo, keep, spread, "play", progress)
    return results, broken


def _missing(settings: Settings, results: Results) -> Iterator[tuple[Unit, list[int]]]:
    for unit in units(settings):
        todo = [number for number in range(settings.episodes) if (unit, number) not in results.episodes]
        if todo and unit not in results.refused:
            yield unit, todo


def _conversions(settings: Settings, home: Path, results: Results) -> list[Task]:
    """The plans that are missing."""
    return [
        Task(str(unit), _convert, (unit, settings.conditions, home))
        for unit, _ in _missing(settings, results)
        if unit.recipe != DQN and not plan_path(unit, settings.conditions, home).exists()
    ]


def _episodes(settings: Settings, home: Path, results: Results, bars: bool) -> list[Task]:
    """The episodes that are missing, as many at a time as the settings say."""
    return [
        Task(str(unit), play_episodes, (unit, numbers[start : start + settings.batch], settings, home, bars))
        for unit, numbers in _missing(settings, results)
        for start in range(0, len(numbers), settings.batch)
    ]


def _convert(unit: Unit, conditions: Conditions, home: Path) -> Iterator[Entry]:
    """Make a plan; where there can be none, yield the line that says why."""
    try:
        plan_of(unit, conditions, home)
    except Dqn2SnnError as error:
        yield {**unit.key, "refused": str(error)}
