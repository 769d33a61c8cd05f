"""From a trained torch module to a `LayerGraph`.

The network is traced with torch.fx and followed twice: on an example batch, which gives every shape, and on
symbolic values, which fold everything affine between two ReLUs into one layer. The result is checked against
the network itself before it is returned.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dqn2snn.errors import ArgumentError, UnsupportedModuleError
from dqn2snn.graph import AffineLayer, LayerGraph
from dqn2snn.tracing._fold import fold
from dqn2snn.tracing._interpreter import symbolic_output
from dqn2snn.tracing._modules import noisy_means
from dqn2snn.tracing._refuse import SUPPORTED
from dqn2snn.tracing._value import Value

__all__ = ["trace"]

_BATCH = 7  # a size that other dimensions seldom have, so that an operation that mixes samples shows
_TOLERANCE = 1e-4


def trace(network: nn.Module, observation_shape: Sequence[int]) -> LayerGraph:
    """Trace a Q-network into affine layers with ReLUs between them.

    Batch norm, dropout and noisy layers are taken as in eval mode. Convolutions, linear maps, poolings,
    scalings and dueling or quantile heads between two ReLUs fold into one affine map, exactly. The network
    itself is never changed: a copy is traced.

    Args:
        network: Maps observations `[B, *observation_shape]` to Q-values `[B, A]`; float32 or float64 parameters.
        observation_shape: Shape of one observation.

    Returns:
        LayerGraph: The layers, in float64 on the CPU.

    Raises:
        ArgumentError: If `observation_shape` is not a shape.
        ObservationError: If the network does not take observations of that shape.
        UnsupportedModuleError: If the network holds something without an exact spiking counterpart, has
            no ReLU or other parameters than float32 or float64, or does not give one Q-value per action.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> graph = trace(network, (4,))
        >>> [layer.name for layer in graph.all_layers]
        ['0', '2']
        >>> trace(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), (4,))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        dqn2snn.errors.UnsupportedModuleError: Expected only Conv2d, Linear, ... Found `1` of type Tanh. ...
    """
    shape = _checked_shape(observation_shape)
    frozen = _frozen_copy(network)
    example = _example(frozen, shape)
    with torch.no_grad():
        graph = _layer_graph(symbolic_output(frozen, example), network)
        _check_equal(graph, frozen, example)
    return graph


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape)
    if not sizes or min(sizes) < 1:
        raise ArgumentError(
            f"Expected the shape of one observation, such as (4, 84, 84). Found {tuple(shape)}."
        )
    return sizes


def _frozen_copy(network: nn.Module) -> nn.Module:
    if not isinstance(network, nn.Module):
        raise UnsupportedModuleError(f"Expected a torch.nn.Module. Found {type(network).__name__}.")
    for name, parameter in (*network.named_parameters(), *network.named_buffers()):
        if (parameter.is_floating_point() or parameter.is_complex()) and parameter.dtype not in (
            torch.float32,
            torch.float64,
        ):
            raise UnsupportedModuleError(
                f"Expected float32 or float64 parameters. Found `{name}` of {parameter.dtype}. "
                "Call network.float() first."
            )
        if not bool(torch.isfinite(parameter).all()):
            raise UnsupportedModuleError(
                f"Expected finite parameters. Found NaN or infinity in `{name}`. Load the network again or "
                "train it anew."
            )
    return copy.deepcopy(network).cpu().eval().requires_grad_(False)


def _example(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    floating = [p.dtype for p in network.parameters() if p.is_floating_point()]
    generator = torch.Generator().manual_seed(0)
    return torch.rand(_BATCH, *shape, generator=generator, dtype=floating[0] if floating else torch.float32)


def _layer_graph(output: Value, network: nn.Module) -> LayerGraph:
    if len(output.shape) != 1:
        raise UnsupportedModuleError(
            f"Expected Q-values of shape [B, A]. Found [B, {', '.join(map(str, output.shape))}] from "
            f"{type(network).__name__}. A quantile head is folded when the network itself returns the mean."
        )
    hidden: list[AffineLayer] = []
    value = output.source.before
    while value is not None:
        hidden.insert(0, fold(value))
        value = value.source.before
    if not hidden:
        raise UnsupportedModuleError(
            f"Expected at least one ReLU, each of which becomes a layer of spiking neurons. Found none in "
            f"{type(network).__name__}, so there is nothing to convert. Supported: {SUPPORTED}."
        )
    return LayerGraph(hidden[0].in_shape, tuple(hidden), fold(output))


def _check_equal(graph: LayerGraph, network: nn.Module, example: Tensor) -> None:
    """What fx cannot see (state, control flow on constants) would make a different network: compare."""
    expected, found = network(example).double(), graph(example.double())
    scale = max(1.0, float(expected.abs().max()))
    error = float((expected - found).abs().max())
    if _is_noisy(network) or error <= _TOLERANCE * scale:
        return
    raise UnsupportedModuleError(
        f"Expected the traced network to give the Q-values of {type(network).__name__}. Found a difference of "
        f"{error:.3g}. Its forward depends on something that torch.fx does not see, such as a counter or a flag."
    )


def _is_noisy(network: nn.Module) -> bool:
    """Noisy layers that draw noise in eval mode too differ from their means, which is what is converted."""
    return any(noisy_means(module) is not None for module in network.modules())
