"""All episodes that are not there yet, by one process or by many."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from dqn2snn.benchmark import lines
from dqn2snn.benchmark.episode import play_episodes
from dqn2snn.benchmark.lines import Entry
from dqn2snn.benchmark.network import plan_of, plan_path, weights_of
from dqn2snn.benchmark.settings import DQN, Protocol, Settings, Unit, check, units
from dqn2snn.benchmark.spread import Spread, spreading
from dqn2snn.benchmark.store import FILE, Results, begin, check_weights, refusal_of
from dqn2snn.errors import Dqn2SnnError

__all__ = ["run"]


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
        CheckpointError: If the directory holds something else, is of another protocol, or is being written to.
        MissingExtraError: If joblib, or a package that the backend needs, is not installed.
    """
    check(settings)
    home = Path(directory).absolute()
    with lines.only_writer(home / FILE):
        results = begin(home, settings.protocol)
        check_weights(results, {agent: weights_of(agent) for agent in settings.agents})
        with spreading(jobs, backend, address) as spread:
            broken = _convert(settings, home, results, spread, progress)
            alone = jobs == 1 and backend == "loky"  # bars of many processes would write over each other
            broken += _play(settings, home, results, spread, progress, decisions=progress and alone)
    return results, broken


def _missing(settings: Settings, results: Results) -> Iterator[tuple[Unit, list[int]]]:
    for unit in units(settings):
        todo = [number for number in range(settings.episodes) if (unit, number) not in results.episodes]
        if todo and unit not in results.refused:
            yield unit, todo


def _convert(
    settings: Settings, home: Path, results: Results, spread: Spread[Any], progress: bool
) -> list[str]:
    """Make the plans that are missing, or find out that there are none."""
    protocol, broken = settings.protocol, []
    todo = [
        (unit, protocol, home)
        for unit, _ in _missing(settings, results)
        if unit.recipe != DQN and not plan_path(unit, protocol, home).exists()
    ]
    for unit, refused, failed in _shown(spread(_convert_one, todo), len(todo), "convert", progress):
        if refused:
            entry = refusal_of(unit, refused)
            lines.append(home / FILE, [entry])
            results.add([entry])
        broken += [f"{unit}: {failed}"] if failed else []
    return broken


def _play(
    settings: Settings, home: Path, results: Results, spread: Spread[Any], progress: bool, decisions: bool
) -> list[str]:
    """Play the episodes that are missing."""
    broken = []
    todo = [
        (unit, numbers[start : start + settings.batch], settings, home, decisions)
        for unit, numbers in _missing(settings, results)
        for start in range(0, len(numbers), settings.batch)
    ]
    for unit, entries, failed in _shown(spread(_play_some, todo), len(todo), "play", progress):
        if entries:
            lines.append(home / FILE, entries)
            results.add(entries)
        broken += [f"{unit}: {failed}"] if failed else []
    return broken


def _convert_one(unit: Unit, protocol: Protocol, home: Path) -> tuple[Unit, str, str]:
    """Who it was, why it cannot be, and what broke."""
    try:
        with _one_thread():
            plan_of(unit, protocol, home)
    except Dqn2SnnError as error:
        return unit, str(error), ""
    except Exception:  # somebody else's bug must not cost the other units
        return unit, "", traceback.format_exc(limit=-1)
    return unit, "", ""


def _play_some(
    unit: Unit, episodes: Sequence[int], settings: Settings, home: Path, progress: bool
) -> tuple[Unit, list[Entry], str]:
    """Who it was, what was finished, and what broke."""
    entries: list[Entry] = []
    try:
        with _one_thread():
            entries.extend(play_episodes(unit, episodes, settings, home, progress))
    except Dqn2SnnError as error:
        return unit, entries, str(error)
    except Exception:  # somebody else's bug must not cost the other units
        return unit, entries, traceback.format_exc(limit=-1)
    return unit, entries, ""


_alone = threading.Lock()


@contextmanager
def _one_thread() -> Iterator[None]:
    """A process works on one task at a time, in one thread.

    Networks and torch's number of threads belong to the process, and workers of Dask may have several threads.
    """
    with _alone:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _shown(outcomes: Iterable[Any], count: int, what: str, progress: bool) -> Iterator[Any]:
    with tqdm(total=count, desc=what, disable=None if progress and count else True) as bar:
        for outcome in outcomes:
            bar.set_postfix_str(str(outcome[0]))
            yield outcome
            bar.update()
