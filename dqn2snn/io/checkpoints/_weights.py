"""Affine layers in a row, found among the tensors of a file, and what their shapes tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from dqn2snn.errors import CheckpointError

ELSEWHERE = (
    "Build the module yourself and pass it as module=..., or convert it: dqn2snn.convert(your_module, ...)."
)


class Weights(NamedTuple):
    """An affine layer: ``[out, in]`` or ``[out, in, height, width]``, and ``[out]``."""

    weight: Tensor
    bias: Tensor


_GEOMETRIES = {(8, 4, 3): ((4, 2, 1), 84), (8, 4): ((4, 2), 84), (3,): ((1,), 10)}
"""By the sizes of the kernels: strides, and the size of the picture, which the weights do not tell. The networks of
Mnih et al. (2015), of Mnih et al. (2013), and of Young and Tian (2019) for MinAtar."""


def weights_of(tensors: Mapping[str, Tensor]) -> list[Weights]:
    """Pair weights with biases, in the order of the mapping; noisy layers give their means.

    Args:
        tensors: Named as in a state dict.

    Returns:
        The layers.

    Raises:
        CheckpointError: If there is anything else among them.

    Example:
        >>> from torch import nn
        >>> [layer.weight.shape for layer in weights_of(nn.Linear(4, 2).state_dict())]
        [torch.Size([2, 4])]
    """
    means = {re.sub(r"(weight|bias)_mu$", r"\1", name): tensor for name, tensor in tensors.items()}
    kept = {name: x for name, x in means.items() if not re.search(r"(weight|bias)_(sigma|epsilon)$", name)}
    layers, used = [], set()
    for name, weight in kept.items():
        if re.search(r"(^|\.)weight$", name) and weight.ndim in (2, 4) and weight.is_floating_point():
            bias_name = re.sub(r"weight$", "bias", name)
            layers.append(Weights(weight, kept.get(bias_name, weight.new_zeros(len(weight)))))
            used |= {name, bias_name}
    if others := sorted(set(kept) - used):
        raise CheckpointError(
            f"Expected the weights and biases of convolutions and linear layers. Found {', '.join(others[:4])} too. "
            + ELSEWHERE
        )
    return layers


def geometry_of(layers: Sequence[Weights]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tell the strides of convolutions and the shape of an observation from the shapes of weights.

    Args:
        layers: In their order.

    Returns:
        One stride a convolution, and the shape of one observation.

    Raises:
        CheckpointError: If the sizes of the kernels are none of those that are known.

    Example:
        >>> from torch import nn
        >>> geometry_of(weights_of(nn.Linear(4, 2).state_dict()))
        ((), (4,))
    """
    kernels = tuple(int(layer.weight.shape[-1]) for layer in layers if layer.weight.ndim == 4)
    if not layers:
        raise CheckpointError(f"Expected the weights of a network. Found none. {ELSEWHERE}")
    channels = int(layers[0].weight.shape[1])
    if not kernels:
        return (), (channels,)
    if kernels not in _GEOMETRIES:
        known = ", ".join(map(str, _GEOMETRIES))
        raise CheckpointError(
            f"Expected convolutions with kernels {known}, whose strides are known. Found {kernels}. {ELSEWHERE}"
        )
    strides, size = _GEOMETRIES[kernels]
    return strides, (channels, size, size)
