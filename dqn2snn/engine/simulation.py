"""The one interface of all engines: an `Engine` makes a `Simulation` of a plan on a device, which answers.

An engine needs `Simulation.run` and nothing else, or, for plans that remember from one decision to the next, `advance`
of a `StatefulSimulation`. The rest follows from these, and is there to be overridden where an engine does better.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import ClassVar

import torch
from torch import Tensor, nn

from dqn2snn._utils.progress import progress_bar
from dqn2snn.dynamics.record import Record
from dqn2snn.dynamics.state import at_rest
from dqn2snn.engine.decide import Decision, decide
from dqn2snn.engine.streaming import Forgetful, StateStream, Streaming
from dqn2snn.engine.values import values_by_steps
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.backends import Adapter, Backend
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState

__all__ = ["Engine", "Simulation", "StatefulSimulation"]


@dataclass
class Threads:
    """How many threads may be used, to be set at any time.

    Attributes:
        number: None for as many as torch uses.
    """

    number: int | None = None

    def __call__(self) -> int:
        """The number now."""
        return self.number or torch.get_num_threads()


@dataclass(frozen=True, eq=False)
class Host:
    """The network that is simulated, as far as an engine may use it beside the plan.

    Attributes:
        network: The native network; it may be moved and trained.
        backend: Whose neurons it has.
        threads: How many threads there are.
    """

    network: nn.Module | None = None
    backend: Backend | None = None
    threads: Threads = field(default_factory=Threads)

    def adapter(self) -> Adapter:
        """The native network, as it is now, for an engine that steps it.

        Raises:
            ArgumentError: If there is none.
        """
        if self.network is None or self.backend is None:
            raise ArgumentError(
                "Expected a network of native modules to step. Found a plan alone. Make a SpikingQNetwork of it."
            )
        return self.backend.adapt(self.network)


class Engine(ABC):
    """A way to simulate plans.

    Attributes:
        name: In `SpikingQNetwork(engine=...)` and `--engine`.
        about: What it does, in a line.
    """

    name: ClassVar[str]
    about: ClassVar[str] = ""

    def refusal(self, plan: SpikingPlan, device: torch.device) -> str | None:
        """Why it cannot simulate a plan on a device, as a clause; None if it can."""
        return None

    @abstractmethod
    def prepare(self, plan: SpikingPlan, device: torch.device, host: Host) -> Simulation:
        """Make a plan ready, once, before the first decision.

        Args:
            plan: One that `refusal` does not refuse.
            device: Where observations will be.
            host: Who simulates.

        Returns:
            Simulation: Immutable, so that threads may share it.
        """

    def passed_over(self, device: torch.device) -> None:  # noqa: B027
        """Warn where something that could be mended makes `engine="auto"` take another engine."""


@dataclass(frozen=True, eq=False)
class Simulation(ABC):
    """A plan, made ready by an engine.

    Attributes:
        plan: The spiking network.
        ready: The same in the dtype in which it is simulated, on the device.
    """

    plan: SpikingPlan
    ready: SpikingPlan

    @abstractmethod
    def run(
        self, observations: Tensor, num_steps: int, *, spikes: bool = False, progress: bool = True
    ) -> Record:
        """Simulate independent decisions, each from rest.

        Args:
            observations: `[B, *input_shape]`, on the device.
            num_steps: T.
            spikes: Keep every spike of every layer.
            progress: Show a progress bar when standard error is a terminal.

        Returns:
            Record: What happened.
        """

    def q(self, observations: Tensor, num_steps: int) -> Tensor:
        """Q-values `[B, A]` after the last step of `run`, and nothing else."""
        return self.run(observations, num_steps, progress=False).q[-1]

    def decide(self, observations: Tensor, num_steps: int, margin: float, every: int) -> Decision:
        """Decide each observation as soon as it is settled, by the rule of `dqn2snn.engine.decide`.

        Args:
            observations: `[B, *input_shape]`, on the device.
            num_steps: T, for those that are never settled.
            margin: How far ahead the best action must be, in typical errors.
            every: Steps from one check to the next.

        Returns:
            Decision: By the robust rate, whatever the plan's readout, as that is what typical errors are about.
        """
        by_rate = replace(
            self, plan=replace(self.plan, readout="rate"), ready=replace(self.ready, readout="rate")
        )
        with torch.no_grad():
            return decide(self.plan, by_rate.run(observations, num_steps, progress=False), margin, every)

    def values(self, observations: Tensor, layers: Sequence[int]) -> tuple[Tensor, ...]:
        """Values of neurons at the end of a decision from rest: the sum of their spikes, each by its worth.

        Args:
            observations: `[B, *input_shape]`, on the device.
            layers: Which hidden layers.

        Returns:
            tuple[Tensor, ...]: `[B, *shape]` float32 of each of these layers.
        """
        return values_by_steps(self.plan.cast(torch.float32, observations.device), observations, layers)

    def stream(self, resync_every: int | None = None) -> Streaming:
        """Decisions in sequence, each of which may depend on those before it.

        Args:
            resync_every: Decisions after which rounding errors are taken out of the state; None for never.

        Returns:
            Streaming: At rest.

        Raises:
            ArgumentError: If the plan remembers, and the engine has no states to hand on.
        """
        if self.plan.stateful:
            raise ArgumentError(
                "Expected a plan whose decisions are independent, since this engine begins each from rest. Found one "
                f'in {self.plan.coding} coding that remembers. Use engine="auto".'
            )
        return Forgetful(self)


@dataclass(frozen=True, eq=False)
class StatefulSimulation(Simulation):
    """A simulation from any state to the next.

    Attributes:
        batch: Decisions that are simulated at once; None for all.
    """

    batch: ClassVar[int | None] = None

    @abstractmethod
    def advance(
        self, observations: Tensor, num_steps: int, state: NetworkState, *, spikes: bool = False
    ) -> tuple[Record, NetworkState]:
        """Simulate a decision from a state.

        Args:
            observations: `[B, *input_shape]`, on the device.
            num_steps: T.
            state: In which it begins, in the dtype of `ready`; it is not changed.
            spikes: Keep every spike of every layer.

        Returns:
            tuple[Record, NetworkState]: What happened, and the state after the last step.
        """

    def run(
        self, observations: Tensor, num_steps: int, *, spikes: bool = False, progress: bool = True
    ) -> Record:
        """Simulate independent decisions, each from rest."""
        parts = observations.split(self.batch or max(1, len(observations)))
        bar = progress_bar(parts, label="simulate", progress=progress)
        return Record.join(
            [self.advance(part, num_steps, at_rest(self.ready, len(part)), spikes=spikes)[0] for part in bar]
        )

    def stream(self, resync_every: int | None = None) -> Streaming:
        """Decisions in sequence, each from the state in which the last has ended."""
        if self.plan.stateful:
            return StateStream(self.ready, self.advance, resync_every)
        return super().stream()


def check_threads(num_threads: int | None) -> int | None:
    """The number of threads itself.

    Raises:
        ArgumentError: If it is neither None nor a positive whole number.
    """
    if num_threads is None or (
        isinstance(num_threads, Integral) and not isinstance(num_threads, bool) and num_threads >= 1
    ):
        return num_threads
    raise ArgumentError(
        f"Expected a positive number of threads, or None. Found num_threads={num_threads!r}. Use None."
    )
