"""Baselines: the part of an activation that is always there, folded into the biases of the next layer.

Where an activation never falls below m > 0,

    a = max(0, z) = m + max(0, z - m),

so that b_l <- b_l - m and b_{l+1} <- b_{l+1} + W_{l+1} m change nothing, and the neuron has spikes only for the range
above m. On observations that do fall below m, the activation is m.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.plan.graph import AffineLayer, LayerGraph, per_channel
from dqn2snn.plan.ops import run
from dqn2snn.recipes._channels import compact
from dqn2snn.tracing.calibration import ActivationStats

MARGIN = 0.1
SMALLEST = 0.05


def baselines(stats: ActivationStats, *, fold: bool = True) -> list[Tensor]:
    """Choose the baseline of each channel of the hidden layers, `[C]`.

    It lies 10 % of the range below the smallest activation that was seen, for observations that were not, and is zero
    where that is less than 5 % of the largest, which is not worth the risk; or everywhere, without `fold`.
    """
    found = []
    for layer in stats.layers[:-1]:
        span = (layer.maximum - layer.minimum).maximum(SMALLEST * layer.maximum)
        m = layer.minimum - MARGIN * span
        found.append(torch.where((m > SMALLEST * layer.maximum) & bool(fold), m, torch.zeros_like(m)))
    return found


@on_host()
def folded(graph: LayerGraph, baseline: list[Tensor]) -> LayerGraph:
    """Move the baselines of the hidden layers into the biases.

    Args:
        graph: The traced network.
        baseline: m of each hidden layer, `[C]`.

    Returns:
        LayerGraph: A network with the same Q-values wherever no activation falls below its baseline.
    """
    layers: list[AffineLayer] = []
    arriving: Tensor | None = None
    for layer, m in zip(graph.all_layers, [*baseline, None], strict=True):
        bias = layer.bias
        if arriving is not None and bool(arriving.any()):
            bias = compact(per_channel(bias, layer.out_shape) + run(layer.ops, arriving[None])[0])
        arriving = None
        if m is not None and bool(m.any()):
            arriving = per_channel(m, layer.out_shape).expand(layer.out_shape)
            bias = compact(per_channel(bias, layer.out_shape) - arriving)
        layers.append(replace(layer, bias=bias))
    return replace(graph, layers=tuple(layers[:-1]), head=layers[-1])
