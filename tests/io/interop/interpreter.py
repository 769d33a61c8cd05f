"""A NIR graph executed by the letter of NIR's definitions, in float64 and one step after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def execute(graph: nir.NIRGraph, observations: Tensor, num_steps: int) -> dict[str, Tensor]:
    """What every node gives at every step, `[T, B, ...]`, if the input shows the observations at each.

    An edge back, from a node to one before it, takes a step.
    """
    order = list(graph.nodes)  # as `to_nir` writes them, each behind those it needs, but for edges back
    before = {name: [start for start, end in graph.edges if end == name] for name in order}
    state: dict[str, Tensor] = {}
    last: dict[str, Tensor] = {}
    history: dict[str, list[Tensor]] = {name: [] for name in order}
    for _ in range(num_steps):
        now: dict[str, Tensor] = {"input": observations.double()}
        for name in order:
            if name != "input":
                arriving = [now.get(each, last.get(each)) for each in before[name]]
                total = sum(value for value in arriving if value is not None)
                assert isinstance(total, Tensor)
                now[name] = step(name, graph.nodes[name], total, state)
            history[name].append(now[name])
        last = now
    return {name: torch.stack(values) for name, values in history.items()}


def step(name: str, node: Any, x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """One step of one node."""
    if isinstance(node, nir.IF):
        v = state.get(name, torch.zeros_like(x)) + array(node.r) * x
        z = (v > array(node.v_threshold)).double()
        state[name] = torch.where(z > 0, array(node.v_reset).expand_as(v), v)
        return z
    if isinstance(node, nir.I):
        state[name] = state.get(name, torch.zeros_like(x)) + array(node.r) * x
        return state[name]
    return STATELESS[type(node)](node, x)


def array(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))


def pair(values: Any) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def convolution(node: Any, x: Tensor) -> Tensor:
    options = (pair(node.stride), pair(node.padding), pair(node.dilation), int(node.groups))
    return F.conv2d(x, array(node.weight), array(node.bias), *options)


def pooling(node: Any, x: Tensor) -> Tensor:
    return F.avg_pool2d(x, pair(node.kernel_size), pair(node.stride), pair(node.padding), divisor_override=1)


STATELESS: dict[type, Callable[[Any, Tensor], Tensor]] = {
    nir.Affine: lambda node, x: F.linear(x, array(node.weight), array(node.bias)),
    nir.Conv2d: convolution,
    nir.SumPool2d: pooling,
    nir.Flatten: lambda node, x: x.flatten(1),
    nir.Threshold: lambda node, x: (x > array(node.threshold)).double(),
    nir.Scale: lambda node, x: array(node.scale) * x,
    nir.Output: lambda node, x: x,
}
