"""Which engine simulates a plan on a device, and what it makes of the plan before the first simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

from dqn2snn.engine.available import event_engine
from dqn2snn.engine.event import EventNetwork, refusal
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan

__all__ = ["ENGINES", "Engine", "EngineChoice", "PreparedPlan", "check_engine"]

Engine = Literal["auto", "event", "torch", "modules", "reference"]
"""How it is simulated: the fastest that applies, by events, layer by layer, the native modules, or the oracle."""

ENGINES: tuple[Engine, ...] = ("auto", "event", "torch", "modules", "reference")


@dataclass(frozen=True)
class EngineChoice:
    """The engine that simulates a network, and why this one.

    Attributes:
        name: "event", "torch", "modules" or "reference".
        reason: Why, for people.
    """

    name: Engine
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, eq=False)
class PreparedPlan:
    """A plan on a device, with what the engines derive from it once.

    Nothing here changes once it has been made, so that threads may share it.

    Attributes:
        plan: The spiking network.
        device: Where it is simulated.
    """

    plan: SpikingPlan
    device: torch.device

    def choose(self, engine: Engine) -> EngineChoice:
        """The engine for this plan on this device.

        Args:
            engine: What was asked for.

        Returns:
            EngineChoice: Never "auto".

        Raises:
            ArgumentError: If "event" or "modules" was asked for and does not apply.
        """
        if engine == "auto":
            return self._automatic
        if engine == "event" and self.refusal is not None:
            raise ArgumentError(
                f'Expected a plan that engine="event" can simulate here. Found that {self.refusal}. '
                'Use engine="auto", which takes "torch" instead.'
            )
        if engine == "modules" and self.plan.coding.windowed:
            raise ArgumentError(
                f"Expected a plan that neuron modules can run. Found {self.plan.coding} coding, whose spikes they "
                'cannot time. Use engine="auto", which takes "torch" instead.'
            )
        return EngineChoice(engine, "it was asked for")

    @cached_property
    def _automatic(self) -> EngineChoice:
        if self.refusal is None:
            return EngineChoice("event", "it is the fastest here")
        if self.device.type == "cpu":
            event_engine()  # warns if it is missing
        return EngineChoice("torch", self.refusal)

    @cached_property
    def refusal(self) -> str | None:
        """Why the event engine does not apply, or None where it does."""
        if self.device.type != "cpu":
            return f"the network is on {self.device} and the event engine runs on the CPU"
        return refusal(self.plan)

    @cached_property
    def exact(self) -> SpikingPlan:
        """The plan in float64 on the device."""
        return self.plan.cast(torch.float64, self.device)

    @cached_property
    def events(self) -> EventNetwork:
        """The network as the event engine wants it."""
        return EventNetwork(self.plan)

    @cached_property
    def tensors(self) -> SpikingPlan:
        """The plan in float32 on the device."""
        return self.plan.cast(torch.float32, self.device)


def check_engine(engine: Engine) -> Engine:
    """The engine itself.

    Raises:
        ArgumentError: If there is none of this name.
    """
    if engine not in ENGINES:
        *names, last = (f'"{name}"' for name in ENGINES)
        raise ArgumentError(f"Expected engine={', '.join(names)} or {last}. Found {engine!r}.")
    return engine
