"""A backend: a way to build the native network of a plan, and a way to step it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.state import NetworkState


class Adapter(Protocol):
    """A native network as the engine "modules" sees it: a step, and the way to and from the library's own state."""

    encoder: nn.Module
    """From observations `[B, *input_shape]` to the constant current of the first layer, `[B, *shape]`."""

    def advance(self, current: Tensor, state: Any) -> tuple[list[Tensor], Any]:
        """One step behind the encoder; a spike reaches the next layer within it.

        Args:
            current: What the encoder gives.
            state: The library's own, or None for the initial one.

        Returns:
            tuple[list[Tensor], Any]: Spikes of all layers, whole numbers `[B, *shape]`, the last those of the output;
            and the state.
        """

    def native(self, state: NetworkState, like: Tensor) -> Any:
        """The library's own state before the first step of a decision.

        Args:
            state: In absolute membranes, `v_init` at rest, with the spikes sent so far.
            like: A tensor of the dtype that it takes, `[B, ...]`.

        Returns:
            What `advance` takes.
        """

    def membrane(self, state: Any, layer: int) -> Tensor:
        """Absolute membrane of a layer after its reset.

        Args:
            state: The library's own.
            layer: Its number; -1 for the output.

        Returns:
            Tensor: `[B, *shape]`.
        """


@dataclass(frozen=True)
class Backend:
    """Whose neurons a network is built of.

    Attributes:
        build: Makes the native network of a plan, in float32 on the CPU; raises `dqn2snn.errors.PlanError` where the
            library has no neurons for it.
        adapt: Makes the `Adapter` of a network that `build` made. It is asked anew for each simulation, as `.to()`
            and training change networks in place.
    """

    build: Callable[[SpikingPlan], nn.Module]
    adapt: Callable[[Any], Adapter]
