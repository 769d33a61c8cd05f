"""The layers of a network as plain data, ``["linear", 4, 64]``, and back as torch modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, CheckpointError


def _conv2d(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride)


class Divide(nn.Module):
    """Divides by a whole number, such as 255 for frames of bytes."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self.divisor = divisor

    def forward(self, x: Tensor) -> Tensor:
        """Give numbers of any real dtype back as float."""
        return x / self.divisor

    def extra_repr(self) -> str:
        """The divisor, in the representation of the module."""
        return str(self.divisor)


_BUILDERS: Mapping[str, tuple[Callable[..., nn.Module], tuple[str, ...]]] = MappingProxyType(
    {
        "divide": (Divide, ("divisor",)),
        "conv2d": (_conv2d, ("in_channels", "out_channels", "kernel_size", "stride")),
        "relu": (nn.ReLU, ()),
        "flatten": (nn.Flatten, ()),
        "linear": (nn.Linear, ("in_features", "out_features")),
    }
)


def build_network(layers: Sequence[Sequence[Any]]) -> nn.Sequential:
    """Build a network from the description of its layers, with fresh weights.

    Args:
        layers: Kind and sizes of each layer: ``["conv2d", in_channels, out_channels, kernel_size, stride]``,
            ``["linear", in_features, out_features]``, ``["divide", divisor]``, ``["relu"]`` or ``["flatten"]``.

    Returns:
        The layers in a row.

    Raises:
        CheckpointError: If a layer is of another kind, or a size is not a positive integer.

    Example:
        >>> build_network([["linear", 4, 64], ["relu"], ["linear", 64, 2]])
        Sequential(
          (0): Linear(in_features=4, out_features=64, bias=True)
          (1): ReLU()
          (2): Linear(in_features=64, out_features=2, bias=True)
        )
    """
    return nn.Sequential(*(_build(index, layer) for index, layer in enumerate(layers)))


def blank_network(
    layers: Sequence[Sequence[Any]], observation_shape: Sequence[int]
) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Build a network without weights, on torch's meta device, and follow the shape of one observation through it.

    Sizes that a damaged file makes up are found in this way before any memory is allocated.

    Returns:
        The network, to be filled by ``load_state_dict(..., assign=True)``, and the shape of its output, batch included.

    Raises:
        CheckpointError: If the layers do not fit behind each other or do not take the observation.
    """
    with torch.device("meta"):
        network = build_network(layers)
        observation = torch.empty(1, *observation_shape)
    try:
        return network, tuple(network(observation).shape)
    except RuntimeError as error:
        raise CheckpointError(
            f"Expected layers behind each other that take observations of shape {tuple(observation_shape)}. Found "
            f"{list(layers)}: {error}."
        ) from None


def _build(index: int, layer: Sequence[Any]) -> nn.Module:
    if not isinstance(layer, (list, tuple)) or not layer or layer[0] not in tuple(_BUILDERS):
        raise CheckpointError(
            f"Expected layer {index} to be one of {', '.join(_BUILDERS)}. Found {layer!r}. "
            "Was it written by a newer dqn2snn?"
        )
    builder, sizes = _BUILDERS[layer[0]]
    found = layer[1:]
    if len(found) != len(sizes) or not all(type(size) is int and size > 0 for size in found):
        raise CheckpointError(
            f"Expected layer {index} as {[layer[0], *sizes]}, with positive integers. Found {layer!r}."
        )
    return builder(*found)


def layers_of(dqn: nn.Module) -> list[list[str | int]]:
    """Describe the layers of a network as plain data, the inverse of `build_network`.

    Args:
        dqn: A row of Divide, Conv2d (square kernel, no padding), Linear, ReLU and Flatten, all with a bias.

    Returns:
        Kind and sizes of each layer.

    Raises:
        ArgumentError: If a layer is of another kind, or has an option that the format does not keep.

    Example:
        >>> layers_of(nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten()))
        [['conv2d', 4, 16, 3, 1], ['relu'], ['flatten']]
    """
    if not isinstance(dqn, nn.Sequential):
        raise ArgumentError(
            f"Expected an nn.Sequential. Found {type(dqn).__name__}. Put the layers in a row before saving."
        )
    return [_describe(index, layer) for index, layer in enumerate(dqn)]


def _describe(index: int, layer: nn.Module) -> list[str | int]:
    described: list[str | int] = []
    if type(layer) is nn.Linear:
        described = ["linear", layer.in_features, layer.out_features]
    elif type(layer) is nn.Conv2d:
        described = ["conv2d", layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0]]
    elif type(layer) is Divide:
        described = ["divide", layer.divisor]
    elif type(layer) is nn.ReLU:
        described = ["relu"]
    elif type(layer) is nn.Flatten:
        described = ["flatten"]
    # The printed form of a module names each option that is not the default: equal prints, equal layers.
    if not described or repr(_build(index, described)) != repr(layer):
        raise ArgumentError(
            f"Expected layer {index} to be Linear, Conv2d (square kernel, no padding), ReLU, Flatten or "
            f"zoo.Divide, with a bias. Found {layer}. Fold or replace it before saving."
        )
    return described
