"""A NIR graph executed by the letter of NIR's definitions, in float64 and one step after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def execute(
    graph: nir.NIRGraph,
    observations: Tensor,
    num_steps: int,
    *,
    told: bool = False,
    current: Tensor | None = None,
) -> dict[str, Tensor]:
    """What every node gives at every step, `[T, B, ...]`, if the input shows the observations at each.

    An edge back, from a node to one before it, takes a step.

    Args:
        graph: As `to_nir` writes it.
        observations: Shown at each step.
        num_steps: T.
        told: Follow what the metadata of `nir.IF` says beside the node, instead of NIR's definition.
        current: What the first weights give, if a reader rounds it as the plan does; None for their output.
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
                rounded = current is not None and name in ("layer0_conv", "layer0_affine")
                now[name] = current if rounded else step(name, graph.nodes[name], total, state, told)
            history[name].append(now[name])
        last = now
    return {name: torch.stack(values) for name, values in history.items()}


def step(name: str, node: Any, x: Tensor, state: dict[str, Tensor], told: bool) -> Tensor:
    """One step of one node."""
    if isinstance(node, nir.IF) and told:
        return told_step(name, node, x, state)
    if isinstance(node, nir.IF):
        v = state.get(name, torch.zeros_like(x)) + array(node.r) * x
        z = (v > array(node.v_threshold)).double()
        state[name] = torch.where(z > 0, array(node.v_reset).expand_as(v), v)
        return z
    if isinstance(node, nir.I):
        state[name] = state.get(name, torch.zeros_like(x)) + array(node.r) * x
        return state[name]
    return STATELESS[type(node)](node, x)


def told_step(name: str, node: nir.IF, x: Tensor, state: dict[str, Tensor]) -> Tensor:
    """Neurons of single unsigned spikes with the reset, the initial membrane and the "spike" of their metadata."""
    start, threshold = array(node.metadata["v_init"]).expand_as(x), array(node.v_threshold)
    v = state.get(name, start) + array(node.r) * x
    z = (v >= threshold if node.metadata["spike"] == "ge" else v > threshold).double()
    soft = node.metadata["reset"] == "subtract"
    state[name] = v - z * threshold if soft else torch.where(z > 0, start, v)
    return z


def array(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))


def pair(values: Any) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def convolution(node: Any, x: Tensor) -> Tensor:
    options = (pair(node.stride), pair(node.padding), pair(node.dilation), int(node.groups))
    return F.conv2d(x, array(node.weight), None, *options) + array(node.bias)[:, None, None]


def pooling(node: Any, x: Tensor) -> Tensor:
    return F.avg_pool2d(x, pair(node.kernel_size), pair(node.stride), pair(node.padding), divisor_override=1)


STATELESS: dict[type, Callable[[Any, Tensor], Tensor]] = {
    nir.Affine: lambda node, x: F.linear(x, array(node.weight)) + array(node.bias),
    nir.Conv2d: convolution,
    nir.SumPool2d: pooling,
    nir.Flatten: lambda node, x: x.flatten(1),
    nir.Threshold: lambda node, x: (x > array(node.threshold)).double(),
    nir.Scale: lambda node, x: array(node.scale) * x,
    nir.Output: lambda node, x: x,
}
