"""Plain state dicts, in files of ``torch.save`` or of safetensors, whose shapes tell the network."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from dqn2snn.errors import CheckpointError
from dqn2snn.io._q_network import QNetwork
from dqn2snn.io.checkpoints._made import q_network_of
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import ELSEWHERE, Weights, geometry_of, weights_of

_TARGET = re.compile(r"(^|[._])(target|old)([._]|$)")
"""In the names of a target network beside the network itself."""

_MOST_LAYERS = 8
"""Whose order is tried out, where the file has none."""


def read(source: Source) -> QNetwork | None:
    """Read layers in a row: convolutions that are known by their kernels, then linear layers.

    Args:
        source: The file.

    Returns:
        The network; None if the file has no tensors.

    Raises:
        CheckpointError: If the shapes do not tell the network.
    """
    if source.container == "other" or not source.tensors:
        return None
    named = {name: tensor for name, tensor in source.tensors.items() if not _TARGET.search(name)}
    layers = weights_of(named)
    if source.container == "safetensors":
        layers = _in_order(layers, [name for name in named if re.search(r"weight(_mu)?$", name)])
    strides, shape = geometry_of(layers)
    frames = len(shape) > 1 and shape[1:] == (84, 84)
    return q_network_of(
        source,
        layers,
        strides,
        shape,
        rule="plain",
        framework="a state dict",
        divide=frames,
        assumptions=(
            "ReLU",
            *(("strides by the kernels",) if strides else ()),
            *(("divided by 255",) if frames else ()),
        ),
    )


def _in_order(layers: list[Weights], names: list[str]) -> list[Weights]:
    """Safetensors sorts by name. Numbers in otherwise equal names tell the order; else the shapes have to."""
    if len({re.sub(r"\d+", "#", name) for name in names}) == 1:
        numbers = [tuple(map(int, re.findall(r"\d+", name))) for name in names]
        return [layers[index] for index in sorted(range(len(layers)), key=numbers.__getitem__)]
    convolutions = [layer for layer in layers if layer.weight.ndim == 4]
    linear = [layer for layer in layers if layer.weight.ndim == 2]
    if max(len(convolutions), len(linear)) > _MOST_LAYERS:
        raise CheckpointError(f"Expected numbered layers. Found {', '.join(names[:4])}. {ELSEWHERE}")
    return [*_only_order(convolutions, names), *_only_order(linear, names)]


def _only_order(layers: list[Weights], names: Sequence[str]) -> list[Weights]:
    orders = itertools.islice((order for order in itertools.permutations(layers) if _fits(order)), 2)
    found = list(orders)
    if len(found) != 1:
        raise CheckpointError(
            f"Expected layers whose order the file tells. Found {', '.join(names[:4])}, which fit "
            f"{'in no order' if not found else 'in several'}. {ELSEWHERE}"
        )
    return list(found[0])


def _fits(layers: Sequence[Weights]) -> bool:
    return all(len(a.weight) == b.weight.shape[1] for a, b in itertools.pairwise(layers))
