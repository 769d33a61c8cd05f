"""All cells of the table that are not there yet, by one process or by several."""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from measuring.table.measure import measure
from measuring.table.settings import Cell, Settings, cells, check
from measuring.table.store import Entries, append, begin, rewrite

__all__ = ["run"]

Outcome = tuple[Cell, Callable[[], dict[str, Any]]]


def run(settings: Settings, path: Path, *, jobs: int = 1, progress: bool = True) -> tuple[Entries, list[str]]:
    """Measure what is missing, and keep each cell as soon as it is known.

    Args:
        settings: Which cells, and how.
        path: The file.
        jobs: Processes that measure, each with one thread.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        tuple[Entries, list[str]]: All lines of the file, and the cells in which something broke, with the reason.

    Raises:
        ArgumentError: If the settings are wrong.
        CheckpointError: If the file is something else, or of another protocol.
    """
    check(settings)
    entries = begin(path, settings.protocol)
    wanted = list(cells(settings))
    todo = [cell for cell in wanted if cell not in entries]
    broken = []
    with tqdm(total=len(wanted), initial=len(wanted) - len(todo), disable=None if progress else True) as bar:
        for cell, outcome in (
            _one_by_one(todo, settings) if jobs == 1 else _side_by_side(todo, settings, jobs)
        ):
            bar.set_description(f"{cell.agent} {cell.recipe} T={cell.num_steps}")
            try:
                entries[cell] = outcome()
            except Exception:  # somebody else's bug must not cost the other cells
                broken.append(
                    f"{cell.agent} {cell.recipe} T={cell.num_steps}: {traceback.format_exc(limit=-1)}"
                )
            else:
                append(path, entries[cell])
            bar.update()
    entries = {cell: entries[cell] for cell in sorted(entries, key=_place(settings))}
    rewrite(path, settings.protocol, entries.values())
    return entries, broken


def _one_by_one(todo: Sequence[Cell], settings: Settings) -> Iterator[Outcome]:
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for cell in todo:
            yield cell, lambda cell=cell: measure(cell, settings)  # type: ignore[misc]
    finally:
        torch.set_num_threads(threads_before)


def _side_by_side(todo: Sequence[Cell], settings: Settings, jobs: int) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_settle_in) as pool:
        futures: dict[Future[dict[str, Any]], Cell] = {
            pool.submit(measure, cell, settings): cell for cell in todo
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _settle_in() -> None:
    """A process that measures has one thread, and ends with the one that started it."""
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _place(settings: Settings) -> Callable[[Cell], tuple[Any, ...]]:
    """The order of the finished file, which does not depend on which cell was ready first, or asked for first."""
    return lambda cell: (cell.agent, cell.recipe != "dqn", cell.recipe, cell.num_steps)
