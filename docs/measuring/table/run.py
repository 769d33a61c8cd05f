"""All cells of the table that are not there yet, by one process or by several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dqn2snn.benchmark._schedule import Task, carry_out
from dqn2snn.benchmark._spread import spreading
from dqn2snn.benchmark._store import Entry, append, only_writer, rewrite
from measuring.table.measure import measure
from measuring.table.settings import Cell, Settings, cells, check
from measuring.table.store import Entries, begin, by_cell, header_of

__all__ = ["run"]


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
        CheckpointError: If the file is something else, of other conditions, or is being written to.
    """
    check(settings)
    with only_writer(path), spreading(jobs) as spread:
        entries = begin(path, settings.conditions)

        def keep(found: list[Entry]) -> None:
            append(path, found)
            entries.update(by_cell(found))

        todo = [
            Task(str(cell), _measured, (cell, settings)) for cell in cells(settings) if cell not in entries
        ]
        broken = carry_out(todo, keep, spread, progress=progress)
        entries = {cell: entries[cell] for cell in sorted(entries, key=_place)}
        rewrite(path, header_of(settings.conditions), entries.values())
    return entries, broken


def _measured(cell: Cell, settings: Settings) -> Iterator[Entry]:
    yield measure(cell, settings)


def _place(cell: Cell) -> tuple[Any, ...]:
    """The order of the finished file, which does not depend on which cell was ready first, or asked for first."""
    return cell.agent, cell.recipe != "dqn", cell.recipe, cell.num_steps
