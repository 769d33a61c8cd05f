"""The layers of an agent as plain data, ``["linear", 4, 64]``, and back as torch modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, CheckpointError

__all__ = ["Divide", "build_network", "describe_network"]


def _conv2d(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride)


class Divide(nn.Module):
    """Divides by a whole number: by 255, what frames of bytes need."""

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
    """Build the network that a configuration describes, with fresh weights.

    Under ``torch.device("meta")`` no weights are drawn or stored. A layer of another kind, or with sizes that
    are not positive integers, is refused with a `CheckpointError`.

    Args:
        layers: Kind and sizes of each layer: ``["conv2d", in_channels, out_channels, kernel_size, stride]``,
            ``["linear", in_features, out_features]``, ``["divide", divisor]``, ``["relu"]`` or ``["flatten"]``.

    Returns:
        The layers in a row.

    Example:
        >>> build_network([["linear", 4, 64], ["relu"], ["linear", 64, 2]])
        Sequential(
          (0): Linear(in_features=4, out_features=64, bias=True)
          (1): ReLU()
          (2): Linear(in_features=64, out_features=2, bias=True)
        )
    """
    return nn.Sequential(*(_build(index, layer) for index, layer in enumerate(layers)))


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


def describe_network(network: nn.Module) -> list[list[str | int]]:
    """Describe a network as plain data, the inverse of `build_network`.

    A layer of another kind, or with an option that the format does not keep, is refused with an
    `ArgumentError`.

    Args:
        network: A row of Divide, Conv2d (square kernel, no padding), Linear, ReLU and Flatten, all with a bias.

    Returns:
        Kind and sizes of each layer.

    Example:
        >>> describe_network(nn.Sequential(nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten()))
        [['conv2d', 4, 16, 3, 1], ['relu'], ['flatten']]
    """
    if not isinstance(network, nn.Sequential):
        raise ArgumentError(
            f"Expected an nn.Sequential. Found {type(network).__name__}. Put the layers in a row before saving."
        )
    return [_describe(index, module) for index, module in enumerate(network)]


def _describe(index: int, module: nn.Module) -> list[str | int]:
    layer: list[str | int] = []
    if type(module) is nn.Linear:
        layer = ["linear", module.in_features, module.out_features]
    elif type(module) is nn.Conv2d:
        layer = ["conv2d", module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0]]
    elif type(module) is Divide:
        layer = ["divide", module.divisor]
    elif type(module) is nn.ReLU:
        layer = ["relu"]
    elif type(module) is nn.Flatten:
        layer = ["flatten"]
    # The printed form of a module names each option that is not the default: equal prints, equal layers.
    if not layer or repr(_build(index, layer)) != repr(module):
        raise ArgumentError(
            f"Expected layer {index} to be Linear, Conv2d (square kernel, no padding), ReLU, Flatten or "
            f"zoo.Divide, with a bias. Found {module}. Fold or replace it before saving."
        )
    return layer
