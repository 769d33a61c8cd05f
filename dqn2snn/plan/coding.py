"""The meaning of spikes: the questions that every coding answers, and the codings by name.

A plan holds its `Coding`; files hold the coding's name. The codings themselves are in `dqn2snn.dynamics.codings`, and
those of third parties are announced by entry points of the group ``dqn2snn.codings``. None is imported before it is
asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from torch import Tensor

from dqn2snn._utils.plugins import load, plugins
from dqn2snn.errors import PlanError
from dqn2snn.plan.membranes import largest_membrane
from dqn2snn.plan.state import NetworkState

if TYPE_CHECKING:
    from dqn2snn.plan.layer import SpikingLayer
    from dqn2snn.plan.spiking_plan import SpikingPlan

__all__ = ["Coding"]

GROUP: Final = "dqn2snn.codings"
"""Group of the entry points of third parties."""

ReadoutKind = Literal["rate", "slope"]
"""How Q-values are read from the output's charge: its mean per step, or its slope over time (`readout.RobustSlope`)."""


class Coding(ABC):
    """Says what a spike is worth, what enters when, and with what the next decision begins.

    An instance has no state and is shared by all plans of the coding. A neuron's step is none of its business: that is
    `dqn2snn.dynamics.neuron.if_step`, by the fields of the layer.

    Attributes:
        name: In plan files.
        once: Whether the observation and the biases enter at the first step only, the observation as the change of its
            current and biases as a part of `v_init`; else both are currents at every step.
        onset: Whether the observation and the biases are currents of the first step only.
        windowed: Whether each layer has the steps of a decision to itself, after those of the layer before; else a
            spike reaches the next layer within its step.
        persistent: Whether membranes and spike counts go on from one decision to the next; a value is then the count
            since rest, a level.
        counted: Whether the number of spikes is all that a neuron tells, whenever they come.
        readouts: Ways to read Q-values that make sense, the default first.
        compiled: Options with which the compiled engine simulates it; None where it cannot.
    """

    name: ClassVar[str]
    once: ClassVar[bool] = False
    onset: ClassVar[bool] = False
    windowed: ClassVar[bool] = False
    persistent: ClassVar[bool] = False
    counted: ClassVar[bool] = True
    readouts: ClassVar[tuple[ReadoutKind, ...]] = ("rate",)
    compiled: ClassVar[Mapping[str, object] | None] = None

    def check(self, plan: SpikingPlan) -> None:
        """Refuse a plan that makes no sense in this coding.

        Raises:
            PlanError: If its readout or what it carries over is not among what the coding has, or biases are where
                they may not be.
        """
        if plan.readout not in self.readouts:
            raise PlanError(
                f'Expected readout="{self.readouts[0]}" in {self.name} coding, whose charge does not grow with time. '
                f"Found {plan.readout!r}. Leave it as it is."
            )
        if plan.carry:
            raise PlanError(
                "Expected a carry that is a multiple of 1/16 from 0 to 1, and 0 but in rate coding. Found "
                f"{plan.carry!r} in {self.name} coding. Leave it out."
            )
        biased = [layer.name for layer in plan.all_layers[1:] if self.once and bool(layer.affine.bias.any())]
        if biased:
            raise PlanError(
                f"Expected layers behind the first whose biases are a part of v_init in {self.name} coding. Found bias "
                f"currents in layer {biased[0]!r}. Add them to v_init and set them to zero."
            )

    def remembers(self, plan: SpikingPlan) -> bool:
        """Whether a decision depends on those before it in the episode."""
        return self.persistent

    @abstractmethod
    def drive(self, current: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """The current that the first layer receives of an observation.

        Args:
            current: The observation's current, `[B, *shape]`.
            before: The current that the decision before presented; zero at rest.

        Returns:
            tuple[Tensor, Tensor]: Currents at the first step and at each later one, `[B, *shape]`.
        """

    @abstractmethod
    def worth(self, plan: SpikingPlan) -> Tensor:
        """The value that a spike of a hidden neuron stands for, by the step at which it comes.

        Returns:
            Tensor: `[T]` float64, of all steps of a decision from rest; sums to one where values are rates.
        """

    @abstractmethod
    def quanta(self, num_steps: int) -> int:
        """Spikes that stand for a value of one; the smallest value above zero is one over this."""

    def most(self, layer: SpikingLayer, num_steps: int) -> int:
        """Most spikes that a neuron can have sent after `num_steps` steps, which stand for its largest value."""
        sent = layer.max_spikes * num_steps
        return sent if layer.max_count is None else min(sent, layer.max_count)

    def ceiling(self, layer: SpikingLayer) -> float:
        """The current of the first layer, in thresholds, from which on its neurons always send as much as they can."""
        return float(self.most(layer, 1))

    def largest_membrane(self, layer: SpikingLayer, before: SpikingLayer, num_steps: int) -> float:
        """A bound on the membranes of a layer and on every sum in them, for which its grid is made.

        Args:
            layer: The layer.
            before: The one that sends it spikes.
            num_steps: T.

        Returns:
            float: In units of the membrane.
        """
        return largest_membrane(layer, before, num_steps)

    @abstractmethod
    def decode(self, plan: SpikingPlan, charge: Tensor) -> Tensor:
        """Q-values of the charge of the output neurons, by the plan's readout.

        Args:
            plan: The spiking network.
            charge: `[T, B, A]`, after each step: all current since rest, in units of the membrane.

        Returns:
            Tensor: `[T, B, A]`, in the DQN's units.
        """

    def read(self, plan: SpikingPlan, q: Tensor) -> Tensor:
        """Q-values by the plan's readout, given those by the charge after each step alone, `[T, B, A]` both."""
        return q

    def looks_back(self, plan: SpikingPlan) -> bool:
        """Whether the readout of a step takes the charge of earlier ones into account."""
        return False

    @abstractmethod
    def decode_counts(self, plan: SpikingPlan, counts: Tensor) -> Tensor | None:
        """Q-values of the spike counts of the output neurons alone, `[T, B, A]` both; None where these say nothing."""

    @abstractmethod
    def between(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """The state in which the next decision begins, given the one in which the last has ended.

        Args:
            plan: The spiking network, cast like the state.
            state: After the last step of a decision.

        Returns:
            NetworkState: Before the first step of the next.
        """

    def resynchronised(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """A state without the rounding errors that gather from decision to decision; the same if none can.

        Args:
            plan: The spiking network, cast like the state.
            state: Between two decisions.

        Returns:
            NetworkState: With counts and current as they were.
        """
        return state

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


CODINGS: Final[Mapping[str, EntryPoint]] = MappingProxyType(
    {
        name: EntryPoint(name, f"dqn2snn.dynamics.codings.{name}:CODING", GROUP)
        for name in ("rate", "delta", "latency", "digits", "leaky")
    }
)
"""Those of the package, the default one first."""


def coding_named(name: str) -> Coding:
    """Find a coding of the package, or of another one that announces it.

    Args:
        name: One of `coding_names()`.

    Returns:
        Coding: Imported.

    Raises:
        PlanError: If nobody has it, two packages have it, or the package that has it is broken.

    Example:
        >>> coding_named("delta").persistent
        True
        >>> coding_named("morse")
        Traceback (most recent call last):
        ...
        dqn2snn.errors.PlanError: Expected a coding out of rate, delta, latency, digits, leaky. Found 'morse'. Use rate.
    """
    if name in CODINGS:
        entries = [CODINGS[name]]
    elif name in (others := plugins(GROUP)):
        entries = others[name]
    else:
        raise PlanError(f"Expected a coding out of {', '.join(coding_names())}. Found {name!r}. Use rate.")
    found: Coding = load(entries, "coding", PlanError, lambda found: isinstance(found, Coding))
    return found


def coding_names() -> tuple[str, ...]:
    """Names of all codings that are announced."""
    return tuple(dict.fromkeys((*CODINGS, *plugins(GROUP))))
