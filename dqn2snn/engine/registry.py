"""The engines by name, and which of them simulates a plan on a device."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from types import MappingProxyType
from typing import Final

import torch

from dqn2snn.engine.event import EVENT
from dqn2snn.engine.layerwise import LAYERWISE
from dqn2snn.engine.modules import MODULES
from dqn2snn.engine.reference import REFERENCE
from dqn2snn.engine.simulation import Engine, Host, Simulation
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan

__all__ = ["ENGINES"]

ENGINES: Final[Mapping[str, Engine]] = MappingProxyType(
    {engine.name: engine for engine in (EVENT, LAYERWISE, MODULES, REFERENCE)}
)
"""All engines; `AUTO` takes the first that simulates the plan at hand."""

AUTO: Final = "auto"
"""In place of a name: the first engine that applies, which is the fastest."""


@dataclass(frozen=True)
class EngineChoice:
    """The engine that simulates a network, and why this one.

    Attributes:
        name: One of `ENGINES`.
        reason: Why, for people.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, eq=False)
class PreparedPlan:
    """A plan on a device, with what the engines make of it, each once.

    Attributes:
        plan: The spiking network.
        device: Where it is simulated.
        host: Who simulates.
    """

    plan: SpikingPlan
    device: torch.device
    host: Host = field(default_factory=Host)
    _simulations: dict[str, Simulation] = field(default_factory=dict, repr=False)

    def choose(self, engine: str) -> EngineChoice:
        """The engine for this plan on this device.

        Args:
            engine: Name of an engine, or "auto".

        Returns:
            EngineChoice: Never "auto".

        Raises:
            ArgumentError: If there is none of this name, or it does not apply.
        """
        if engine == AUTO:
            if self.host.network is not None:  # nobody who only makes or describes a plan is warned
                for name in takewhile(lambda name: name != self._automatic.name, ENGINES):
                    ENGINES[name].passed_over(self.device)
            return self._automatic
        reason = ENGINES[check_engine(engine)].refusal(self.plan, self.device)
        if reason is not None:
            raise ArgumentError(
                f'Expected a plan that engine="{engine}" can simulate here. Found that {reason}. '
                f'Use engine="auto", which takes "{self._automatic.name}" instead.'
            )
        return EngineChoice(engine, "it was asked for")

    def simulation(self, engine: str) -> Simulation:
        """The plan, ready to be simulated by an engine.

        Args:
            engine: As of `choose`.

        Returns:
            Simulation: The same at every call.

        Raises:
            ArgumentError: As of `choose`.
        """
        found = self._simulations.get(engine)
        if found is None:
            name = self.choose(engine).name
            found = self._simulations.get(name) or ENGINES[name].prepare(self.plan, self.device, self.host)
            self._simulations[engine] = self._simulations[name] = found
        return found

    @cached_property
    def _automatic(self) -> EngineChoice:
        refusals: list[str] = []
        for name, engine in ENGINES.items():
            reason = engine.refusal(self.plan, self.device)
            if reason is None:
                return EngineChoice(name, "; ".join(refusals) or "it is the fastest here")
            refusals.append(reason)
        raise ArgumentError(
            f"Expected a plan that an engine can simulate. Found that {'; '.join(refusals)}. Convert anew."
        )


def check_engine(engine: str) -> str:
    """The name itself.

    Raises:
        ArgumentError: If there is no engine of this name.
    """
    names = (AUTO, *ENGINES)
    if engine not in names:
        *others, last = (f'"{name}"' for name in names)
        near = difflib.get_close_matches(str(engine), names, n=1, cutoff=0.0)[0]
        raise ArgumentError(f'Expected engine={", ".join(others)} or {last}. Found {engine!r}. Use "{near}".')
    return engine
