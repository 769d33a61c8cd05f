"""Tasks that are carried out by one process or by many, their results kept as they come."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from dqn2snn._utils.progress import progress_bar
from dqn2snn.benchmark._spread import Spread
from dqn2snn.benchmark._store import Entry
from dqn2snn.errors import Dqn2SnnError


class Task(NamedTuple):
    """Work that a process does by itself.

    Attributes:
        name: For progress bars and errors.
        work: Gives results, one after another.
        arguments: That it takes.
    """

    name: str
    work: Callable[..., Iterable[Entry]]
    arguments: tuple[Any, ...]


def carry_out(
    tasks: Sequence[Task],
    keep: Callable[[list[Entry]], None],
    spread: Spread[Any],
    title: str = "",
    progress: bool = True,
) -> list[str]:
    """Do all tasks; one that breaks costs none of the others.

    Args:
        tasks: What to do.
        keep: Is given the results of each task when it has ended, or broken.
        spread: Who does it; see `spreading`.
        title: Of the progress bar.
        progress: Show one when standard error is a terminal.

    Returns:
        list[str]: Names of the tasks that broke, with the reason.
    """
    broken = []
    wanted = progress and bool(tasks)
    with progress_bar(total=len(tasks), label=title, progress=wanted, unit="task", leave=True) as bar:
        for name, entries, reason in spread(_attempt, [(task,) for task in tasks]):
            bar.set_postfix_str(name)
            if entries:
                keep(entries)
            broken += [f"{name}: {reason}"] if reason else []
            bar.update()
    return broken


def _attempt(task: Task) -> tuple[str, list[Entry], str]:
    """The name of a task, its results, and why there are no more of them if it broke."""
    entries: list[Entry] = []
    try:
        with _one_thread():
            entries.extend(task.work(*task.arguments))
    except Dqn2SnnError as error:
        return task.name, entries, str(error)
    except Exception:  # somebody else's bug must not cost the other tasks
        return task.name, entries, traceback.format_exc(limit=-1)
    return task.name, entries, ""


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
