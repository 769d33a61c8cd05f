"""The native network of a plan, in the library that the user works with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.neurons.backends._backend import Backend
from dqn2snn.plan import SpikingPlan


class NoModules(nn.Module):
    """In place of native modules where no library has neurons for a plan: it knows its device, no more."""

    place: Tensor

    def __init__(self, plan: SpikingPlan) -> None:
        super().__init__()
        self.coding = plan.coding.name
        self.register_buffer("place", torch.zeros(()), persistent=False)

    def forward(self, observations: Tensor) -> Tensor:
        """Refuse.

        Raises:
            PlanError: Always.
        """
        raise PlanError(
            f"Expected a coding that neuron modules can time. Found {self.coding!r}. Call the SpikingQNetwork itself, "
            "or convert with another recipe."
        )


@on_host()
def native_network(plan: SpikingPlan, backend: Backend) -> nn.Module:
    """The spiking network of a plan, built of a library's neurons.

    Args:
        plan: The spiking network.
        backend: Whose neurons.

    Returns:
        nn.Module: In float32 on the CPU; a `NoModules` where no library has neurons for the plan.

    Raises:
        ArgumentError: If the backend makes something else.
        PlanError: If the backend has no neurons for the plan.
    """
    if plan.coding.windowed:
        return NoModules(plan)
    network = backend.build(plan)
    if isinstance(network, nn.Module) and any(True for _ in (*network.parameters(), *network.buffers())):
        return network
    found = "one without tensors" if isinstance(network, nn.Module) else type(network).__name__
    raise ArgumentError(
        f"Expected a torch module with weights from the backend's build. Found {found}. Repair the backend."
    )
