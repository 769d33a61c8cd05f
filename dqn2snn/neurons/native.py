"""The native network of a plan, in the library that the user works with."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.neurons.snntorch import to_snntorch
from dqn2snn.plan import SpikingPlan

__all__ = ["Backend", "NoModules", "native_network"]

Backend = Literal["snntorch", "norse"]
"""Whose neuron modules the network is built of."""


class NoModules(nn.Module):
    """In place of native modules where the libraries have no neurons for a plan: it knows its device, no more."""

    place: Tensor

    def __init__(self, plan: SpikingPlan) -> None:
        super().__init__()
        self.coding = plan.coding
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


def native_network(plan: SpikingPlan, backend: Backend) -> nn.Module:
    """The spiking network of a plan, built of a library's neurons.

    Args:
        plan: The spiking network.
        backend: Whose neurons.

    Returns:
        nn.Module: In float32 on the CPU; a `NoModules` where the libraries have no neurons for the plan.

    Raises:
        ArgumentError: If there is no such backend.
        MissingExtraError: If it is not installed.
    """
    if plan.coding == "latency" and backend in ("snntorch", "norse"):
        return NoModules(plan)
    if backend == "snntorch":
        return to_snntorch(plan)
    if backend == "norse":
        from dqn2snn.neurons.norse import to_norse

        network: nn.Module = to_norse(plan)
        return network
    raise ArgumentError(f'Expected backend="snntorch" or "norse". Found {backend!r}.')
