"""Weights in a row, and the plain network that they make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io._layers import build_network

__all__ = ["ELSEWHERE", "Weights", "geometry_of", "network_of", "weights_of"]

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


def network_of(
    layers: Sequence[Weights],
    strides: Sequence[int],
    observation_shape: Sequence[int],
    *,
    divide: bool = False,
) -> nn.Sequential:
    """Put affine layers in a row, with ReLUs between them.

    Args:
        layers: Convolutions, then linear layers.
        strides: One a convolution.
        observation_shape: Of one observation.
        divide: Whether observations are frames of bytes, to be divided by 255 first.

    Returns:
        The network, float32 and frozen.

    Raises:
        CheckpointError: If the layers do not fit behind each other, or do not take the observations.

    Example:
        >>> network_of(weights_of(nn.Linear(4, 2).state_dict()), (), (4,))
        Sequential(
          (0): Linear(in_features=4, out_features=2, bias=True)
        )
    """
    for index, layer in enumerate(layers):
        square = layer.weight.ndim == 2 or layer.weight.shape[2] == layer.weight.shape[3]
        if not square or 0 in layer.weight.shape or layer.bias.shape != layer.weight.shape[:1]:
            raise CheckpointError(
                f"Expected layers with square kernels and one bias an output. Found {tuple(layer.weight.shape)} with "
                f"biases {tuple(layer.bias.shape)} as layer {index}. {ELSEWHERE}"
            )
    with torch.device("meta"):
        network = build_network(_described(layers, strides, observation_shape, divide))
    _check_runs(network, layers, observation_shape)
    values = [
        value.to(torch.float32).clone(memory_format=torch.contiguous_format) for x in layers for value in x
    ]
    network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)), assign=True)
    return network.eval().requires_grad_(False)


def _described(
    layers: Sequence[Weights], strides: Sequence[int], observation_shape: Sequence[int], divide: bool
) -> list[list[str | int]]:
    described: list[list[str | int]] = [["divide", 255]] if divide else []
    convolutions = [layer for layer in layers if layer.weight.ndim == 4]
    for layer, stride in zip(convolutions, strides, strict=True):
        channels_out, channels_in, kernel, _ = layer.weight.shape
        described += [["conv2d", channels_in, channels_out, kernel, stride], ["relu"]]
    if len(observation_shape) > 1:
        described.append(["flatten"])
    for layer in layers[len(convolutions) :]:
        if layer.weight.ndim != 2:
            raise CheckpointError(
                f"Expected convolutions before linear layers. Found one behind. {ELSEWHERE}"
            )
        described += [["linear", layer.weight.shape[1], layer.weight.shape[0]], ["relu"]]
    return described[:-1]


def _check_runs(network: nn.Sequential, layers: Sequence[Weights], observation_shape: Sequence[int]) -> None:
    shapes = [tuple(layer.weight.shape) for layer in layers]
    try:
        found = tuple(network(torch.empty(1, *observation_shape, device="meta")).shape)
    except RuntimeError as error:
        raise CheckpointError(
            f"Expected layers behind each other that take observations {tuple(observation_shape)}. Found weights of "
            f"the shapes {shapes}: {error}. {ELSEWHERE}"
        ) from None
    if len(found) != 2 or layers[-1].weight.ndim != 2:
        raise CheckpointError(f"Expected a linear layer of Q-values at the end. Found {shapes}. {ELSEWHERE}")
