"""State dicts of TorchRL: of a `QValueActor`, a `TensorDictModule`, or one of its dueling networks.

Its Atari scripts divide frames by 255 in a transform (`ToTensorImage`), which the network here begins with.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dqn2snn.io._preset import PRESETS
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints._heads import dueling
from dqn2snn.io.checkpoints._made import q_network_of
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import Weights, geometry_of, weights_of

_STREAMS = ("features.", "value.", "advantage.")


def read(source: Source) -> QNetwork | None:
    """Read a state dict.

    Args:
        source: The file.

    Returns:
        The network; None if it is another file.
    """
    tensors = _inside(source)
    if tensors is None:
        return None
    layers = _layers(tensors)
    strides, shape = geometry_of(layers)
    frames = len(shape) > 1
    return q_network_of(
        source,
        layers,
        strides,
        shape,
        rule="torchrl",
        framework="TorchRL",
        divide=frames,
        preset=PRESETS["torchrl"] if frames else None,
        assumptions=(
            "ReLU",
            *(("strides of the Nature network, ToTensorImage before it",) if frames else ()),
        ),
    )


def _inside(source: Source) -> dict[str, Tensor] | None:
    """The tensors of the network proper, by their names in it."""
    for prefix in ("module.0.module.", "module."):
        inside = source.under(prefix)
        if inside and len(inside) == len(source.tensors):
            return inside
    dueling_network = source.tensors and all(name.startswith(_STREAMS) for name in source.tensors)
    return dict(source.tensors) if dueling_network else None


def _layers(tensors: Mapping[str, Tensor]) -> list[Weights]:
    features, value, advantage = (
        weights_of({name: x for name, x in tensors.items() if name.startswith(stream)}) for stream in _STREAMS
    )
    return [*features, *dueling(value, advantage)] if value or advantage else weights_of(tensors)
