"""What takes part in the benchmark."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from dqn2snn.errors import Dqn2SnnError
from dqn2snn.plan import SpikingPlan

__all__ = ["Contestant", "Kind", "Simulation", "UnavailableError", "build", "library", "peers"]

Kind = Literal["own", "modules", "dqn", "peer"]
"""An engine of dqn2snn, its neuron modules in another library's loop, the DQN itself, or that library alone."""


class UnavailableError(Dqn2SnnError):
    """A contestant cannot take part; the message says why, and how to change that."""


@dataclass(frozen=True)
class Simulation:
    """A contestant that has been built for one network.

    Attributes:
        q: From observations `[B, *shape]` and T to Q-values `[B, A]`, in the DQN's units. This is what is timed.
        counts: From the same to the spike counts `[B, *shape]` of every hidden layer; None if there are no spikes.
    """

    q: Callable[[Tensor, int], Tensor]
    counts: Callable[[Tensor, int], tuple[Tensor, ...]] | None


@dataclass(frozen=True)
class Contestant:
    """Somebody who can simulate a plan.

    Attributes:
        name: Short and unique.
        kind: Whose it is.
        package: The distribution whose version is recorded.
        note: How it is used, in one line.
        make: From the plan and the DQN to the simulation; raises `UnavailableError`.
        keeps_time: Whether it holds all steps of a layer at once, so that its memory grows with T.
        every_step: Whether it is a peer's second form, which computes the first layer anew at every step, as
            tutorials do, although its current never changes. It takes part only when asked for.
    """

    name: str
    kind: Kind
    package: str
    note: str
    make: Callable[[SpikingPlan, nn.Module], Simulation]
    keeps_time: bool = False
    every_step: bool = False


def peers(
    name: str,
    package: str,
    note: str,
    make: Callable[[SpikingPlan, bool], Simulation],
    *,
    keeps_time: bool = False,
    kind: Kind = "peer",
) -> tuple[Contestant, Contestant]:
    """Another library in two forms: with the first current computed once a decision, and with it at every step.

    Args:
        name: Of the first form.
        package: The distribution.
        note: How it is used.
        make: From the plan, and whether the first current is computed once, to the simulation.
        keeps_time: Whether it holds all steps of a layer at once.
        kind: "modules" if the neurons are ours.

    Returns:
        tuple[Contestant, Contestant]: The two.
    """
    return (
        Contestant(name, kind, package, note, lambda plan, _: make(plan, True), keeps_time),
        Contestant(
            f"{name}-every-step",
            kind,
            package,
            f"{note}, first layer at every step",
            lambda plan, _: make(plan, False),
            keeps_time,
            every_step=True,
        ),
    )


def build(contestant: Contestant, plan: SpikingPlan, dqn: nn.Module) -> Simulation | UnavailableError:
    """The contestant's simulation of a plan, or why there is none.

    Args:
        contestant: Who.
        plan: The spiking network.
        dqn: The DQN that it was made of.

    Returns:
        Simulation | UnavailableError: The outcome.
    """
    try:
        return contestant.make(plan, dqn)
    except UnavailableError as reason:
        return reason


def library(module: str, pip: str) -> Any:
    """Import a module of another library.

    Args:
        module: Dotted name.
        pip: What to write after `pip install` to get it.

    Returns:
        The module.

    Raises:
        UnavailableError: If it is not installed, or its import fails for another reason.

    Example:
        >>> library("no_such_library.neurons", "no-such-library")
        Traceback (most recent call last):
        ...
        measuring.speed.peers.contestant.UnavailableError: not installed. Run: pip install no-such-library
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = "" if module.startswith(str(error.name)) else f" ({error.name} is missing)"
        raise UnavailableError(f"not installed{missing}. Run: pip install {pip}") from None
    except Exception as error:  # another library may fail in any way, and the benchmark goes on without it
        raise UnavailableError(f"its import fails: {type(error).__name__}: {error}") from None
