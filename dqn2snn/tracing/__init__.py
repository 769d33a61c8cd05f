"""From a trained torch module to a `LayerGraph`.

The network is traced with torch.fx and followed twice: on an example batch, which gives every shape, and on
symbolic values, which fold everything affine between two ReLUs into one layer. The result is checked against
the network itself before it is returned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral

import torch
from torch import nn

from dqn2snn._utils.host import on_host
from dqn2snn.errors import ArgumentError, UnsupportedModuleError
from dqn2snn.plan.graph import AffineLayer, LayerGraph
from dqn2snn.tracing._copy import frozen_copy
from dqn2snn.tracing._fold import fold
from dqn2snn.tracing._interpreter import symbolic_output
from dqn2snn.tracing._refuse import SUPPORTED
from dqn2snn.tracing._value import Value
from dqn2snn.tracing._verify import check_equal, example_batches

__all__ = ["trace"]


@on_host()
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
    frozen = frozen_copy(network)
    examples = example_batches(frozen, shape)
    # Noise that the forward draws must not move the caller's random numbers.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        graph = _layer_graph(symbolic_output(frozen, examples[0]), frozen)
        for example in examples:
            check_equal(graph, frozen, example)
    return graph


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    if not sizes or not all(isinstance(size, Integral) and size >= 1 for size in sizes):
        raise ArgumentError(
            f"Expected the shape of one observation, such as (4, 84, 84). Found {shape!r}. If it comes from "
            "observations, give them a batch dimension."
        )
    return tuple(int(size) for size in sizes)


def _layer_graph(output: Value, network: nn.Module) -> LayerGraph:
    kind = type(network).__name__
    if len(output.shape) != 1:
        raise UnsupportedModuleError(
            f"Expected Q-values of shape [B, A]. Found [{', '.join(map(str, ['B', *output.shape]))}] from {kind}. "
            "A quantile head is folded when the network itself returns the mean."
        )
    values = [output]
    while (before := values[0].source.before) is not None:
        values.insert(0, before)
    if len(values) == 1:
        raise UnsupportedModuleError(
            f"Expected at least one ReLU, each of which becomes a layer of spiking neurons. Found none in "
            f"{kind}, so there is nothing to convert. Supported: {SUPPORTED}."
        )
    layers = tuple(_with_names(_fold(value, kind) for value in values))
    return LayerGraph(layers[0].in_shape, layers[:-1], layers[-1])


def _fold(value: Value, kind: str) -> AffineLayer:
    if not value.shape:
        raise UnsupportedModuleError(
            f"Expected layers of shape [B, ...]. Found one of shape [B] in {kind}. Keep its last dimension, of size 1."
        )
    try:
        return fold(value)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UnsupportedModuleError(
            f"Expected operations that treat the samples of a batch one by one. Found that those before "
            f"{value.name or 'the first weights'!r} in {kind} do not: {error}."
        ) from None


def _with_names(layers: Iterable[AffineLayer]) -> Iterator[AffineLayer]:
    """The layers, each with a name of its own: a module may be called twice, or none hold the weights."""
    seen: Counter[str] = Counter()
    for layer in layers:
        name = layer.name or "input"
        seen[name] += 1
        yield replace(layer, name=name if seen[name] == 1 else f"{name}#{seen[name]}")
