"""Work spread over processes or machines through joblib, its results as they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from dqn2snn._utils.extras import require
from dqn2snn.errors import ArgumentError

BACKENDS = ("loky", "dask", "ray")

_T = TypeVar("_T")

Spread = Callable[[Callable[..., _T], Sequence[tuple[Any, ...]]], Iterator[_T]]
"""Calls a function with each of many arguments, and gives what it returns in any order."""


@contextmanager
def spreading(jobs: int, backend: str = "loky", address: str | None = None) -> Iterator[Spread[Any]]:
    """Have somebody to work.

    Args:
        jobs: Processes that work. With an address, as many tasks as the cluster has room for.
        backend: "loky" for processes of this machine; "dask" or "ray" for a cluster.
        address: Of the cluster's scheduler; None for the Dask client that is there already, or for a cluster on this
            machine.

    Yields:
        Spread: Gives them work.

    Raises:
        ArgumentError: If there is no such backend, or it takes no address.
        MissingExtraError: If joblib or the backend is not installed.
    """
    if backend not in BACKENDS:
        raise ArgumentError(f"Expected a backend out of {', '.join(BACKENDS)}. Found {backend!r}.")
    if backend == "loky" and address is not None:
        raise ArgumentError("Expected an address with the backend dask or ray. Found it with loky. Name one.")
    if jobs == 1 and backend == "loky":
        yield _here
        return
    joblib = require("joblib", extra="bench")
    how = {"return_as": "generator_unordered"} if backend in _GENERATE else {}
    with (
        _CLUSTERS[backend](jobs, address),
        joblib.parallel_config(backend=backend, n_jobs=-1 if address else jobs),
        # Tasks one by one: a result that waits for others is lost when the process is killed.
        joblib.Parallel(batch_size=1, **how) as parallel,
    ):
        # What does not give results as they come gets no more tasks than there are workers.
        width = None if how else max(1, joblib.effective_n_jobs(None))
        yield partial(_by_joblib, parallel, width)


def _here(function: Callable[..., _T], tasks: Sequence[tuple[Any, ...]]) -> Iterator[_T]:
    return itertools.starmap(function, tasks)


def _by_joblib(
    parallel: Any, width: int | None, function: Callable[..., _T], tasks: Sequence[tuple[Any, ...]]
) -> Iterator[_T]:
    joblib = require("joblib", extra="bench")
    calls = [joblib.delayed(function)(*task) for task in tasks]
    for start in range(0, len(calls), width or len(calls) or 1):
        yield from parallel(calls[start : start + (width or len(calls))])


@contextmanager
def _processes(jobs: int, address: str | None) -> Iterator[None]:
    yield


@contextmanager
def _dask(jobs: int, address: str | None) -> Iterator[None]:
    """The client that is there, the cluster of that address, or one on this machine."""
    distributed = require("distributed", extra="dask")
    if address is None:
        try:
            distributed.get_client()
        except ValueError:
            pass
        else:
            yield
            return
    where = (
        {"address": address}
        if address
        else {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": ":0"}
    )
    with distributed.Client(**where):
        yield


@contextmanager
def _ray(jobs: int, address: str | None) -> Iterator[None]:
    """The cluster that is there, the one of that address, or one on this machine."""
    ray = require("ray", extra="ray")
    require("ray.util.joblib", extra="ray").register_ray()
    started = not ray.is_initialized()
    if started:
        ray.init(address=address, **({} if address else {"num_cpus": jobs, "include_dashboard": False}))
    try:
        yield
    finally:
        if started:
            ray.shutdown()


_CLUSTERS = {"loky": _processes, "dask": _dask, "ray": _ray}
_GENERATE = ("loky", "dask")
"""Backends that give results as they come; Ray's gives a list."""
