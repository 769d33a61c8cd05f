"""Comparing a traced graph with the network that it was traced from."""

from __future__ import annotations

import copy
import itertools
import math

import torch
from torch import Tensor, nn

from dqn2snn.errors import UnsupportedModuleError
from dqn2snn.plan.graph import LayerGraph

_TOLERANCE = 1e-4  # of the largest Q-value: what float32 costs, and less than any mistake makes


def example_batches(network: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Two batches of made-up observations, with as many samples as no other dimension has.

    An operation that mixes the samples of a batch shows in the shape of what it gives, or in a difference
    between the two.
    """
    sizes = {*shape, *(size for parameter in network.parameters() for size in parameter.shape)}
    first, second = itertools.islice((n for n in itertools.count(5, 2) if n not in sizes), 2)
    floating = [parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()]
    dtype = floating[0] if floating else torch.float32
    generator = torch.Generator().manual_seed(0)
    return (
        torch.rand(first, *shape, generator=generator, dtype=dtype),
        torch.rand(second, *shape, generator=generator, dtype=dtype) * 510 - 255,
    )


def check_equal(graph: LayerGraph, network: nn.Module, example: Tensor) -> None:
    """Compare what the two give: what fx cannot see (state, flags) would make a different network.

    Large terms may cancel in a network, an advantage and its mean for instance; what is left of them in float32 is its
    own rounding. So a difference counts if it is there in float64 too, where the network takes that.

    Raises:
        UnsupportedModuleError: If they differ.
    """
    kind = type(network).__name__
    in_float64 = copy.deepcopy(network).double()  # in the state that the network has now
    try:
        expected = network(example.clone()).double()
    except Exception as error:  # The forward worked on a batch of another size.
        raise UnsupportedModuleError(
            f"Expected a network that takes batches of any size. Found that {kind} fails on {len(example)} "
            f"observations: {error} Use x.shape[0] or -1 where its forward names the size of a batch."
        ) from None
    found = graph(example.double())
    difference = _difference(found, expected)
    if not difference <= _allowed(expected) and not _agrees(in_float64, found, example):
        raise UnsupportedModuleError(
            f"Expected the traced network to give the Q-values of {kind}. Found a difference of {difference:.3g}. Its "
            "forward depends on something that torch.fx does not see, such as a counter, a flag, noise or the batch."
        )


def _difference(found: Tensor, expected: Tensor) -> float:
    return float((expected - found).abs().max()) if expected.shape == found.shape else math.inf


def _allowed(expected: Tensor) -> float:
    return _TOLERANCE * float(expected.abs().max()) + 1e-7


def _agrees(in_float64: nn.Module, found: Tensor, example: Tensor) -> bool:
    try:
        expected = in_float64(example.double()).double()
    except Exception:  # the forward itself makes float32 of something
        return False
    return _difference(found, expected) <= _allowed(expected)
