"""The readers: those of the package, then those of third parties, from the entry points ``dqn2snn.checkpoints``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from dqn2snn._utils.plugins import load, plugins
from dqn2snn.errors import CheckpointError
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints import cleanrl, plain, sb3, sb3_contrib, tianshou, torchrl
from dqn2snn.io.checkpoints._source import Source

Reader = Callable[[Source], QNetwork | None]
"""Returns the network of a file, or None if the file is of another format."""

GROUP = "dqn2snn.checkpoints"

READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "sb3_contrib": sb3_contrib.read,
        "sb3": sb3.read,
        "cleanrl": cleanrl.read,
        "tianshou": tianshou.read,
        "torchrl": torchrl.read,
    }
)
"""By name, in the order in which they are asked. `plain`, which takes whatever is left, comes after all others."""


def read_source(source: Source) -> QNetwork:
    """Ask the readers, one after the other.

    Args:
        source: An opened file.

    Returns:
        The network, from the first reader that knows the format.

    Raises:
        CheckpointError: If nobody knows it.
    """
    for reader in _all_readers():
        if (dqn := reader(source)) is not None:
            return dqn
    if source.container == "other":
        raise CheckpointError(
            "Expected a zip of Stable-Baselines3, a file of torch.save, or safetensors. Found something else, such as "
            "the weights of a JAX or TensorFlow program. Export the weights to safetensors."
        )
    raise CheckpointError("Expected the weights of a Q-network. Found no tensors. Save its state_dict().")


def _all_readers() -> Iterator[Reader]:
    yield from READERS.values()
    for entries in plugins(GROUP).values():
        yield load(entries, "reader", CheckpointError)
    yield plain.read
