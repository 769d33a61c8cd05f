"""Native networks as the engine "modules" sees them."""

from __future__ import annotations

from torch import nn

from dqn2snn.neurons.backends import Adapter, backend_named
from dqn2snn.neurons.snntorch import SNNTorchNetwork


def adapted(network: nn.Module) -> Adapter:
    """The adapter of a network of `to_snntorch` or `to_norse`."""
    return backend_named("snntorch" if isinstance(network, SNNTorchNetwork) else "norse").adapt(network)
