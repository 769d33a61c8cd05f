"""Hard reset: neurons for hardware that resets to zero."""

from __future__ import annotations

from dataclasses import replace

import torch

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.tracing.observations import Observations


@recorded
def hard_reset(plan: SpikingPlan, graph: LayerGraph, observations: Observations) -> SpikingPlan:
    """The plan with neurons that begin at zero and are reset to zero.

    A hard reset loses what exceeds the threshold,

        v <- v + I;    s = [v >= theta];    v <- (1 - s) v,

    so that a neuron fires less than its current says, the more so the larger the current: rates saturate, and the first
    layer, whose current is constant, has rates 1, 1/2, 1/3, ... only. Many steps and corrections give part of it back.

    It goes first; `light` and `ridge` behind it fit what is left.

    Args:
        plan: A plan in raw numbers, or its network, of neurons that send one spike a step: recipes "tan2021",
            "rate_if", "diehl2015", ...
        graph: Not used.
        observations: Not used.

    Returns:
        SpikingPlan: With hard resets; its output neurons, which are read and not reset, stay as they are.

    Raises:
        PlanError: If neurons send several or negative spikes, or have levels.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(200, 4), recipe="tan2021+hard_reset+ridge", num_steps=64)
        >>> snn.plan.layers[0].reset, dqn2snn.interop.needs(snn.plan)
        ('zero', ())
    """
    if plan.coding.once or plan.coding.windowed or not all(layer.plain for layer in plan.layers):
        raise PlanError(
            f"Expected neurons that send one spike a step and take none back, in rate coding. Found those of "
            f'{plan.recipe!r}: {plan.spikes_kind}. Use the recipe "tan2021", "rate_if" or "diehl2015".'
        )
    layers = tuple(
        replace(layer, reset="zero", v_init=torch.zeros((), dtype=torch.float64)) for layer in plan.layers
    )
    return replace(plan, layers=layers)
