"""Forward temporal bias correction: a bias for each step.

Wu, Bojkovic, Gu, Suo, Zou, "FTBC: Forward Temporal Bias Correction for Optimizing ANN-SNN Conversion", ECCV 2024,
arXiv 2403.18388.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.dynamics.encode import constant_current
from dqn2snn.dynamics.neuron import if_step, spikes_of
from dqn2snn.dynamics.state import at_rest
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.graph import LayerGraph, per_channel
from dqn2snn.plan.state import NeuronState
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.correction._rates import checked
from dqn2snn.recipes.correction._scales import Scale, scales_of
from dqn2snn.tracing.observations import Observations


@recorded
def ftbc(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Observations,
    *,
    alpha: float = 0.5,
    rounds: int = 4,
    samples: int = 1024,
    progress: bool = True,
) -> SpikingPlan:
    """Give the layers behind the first a bias of its own for each step, so that their spikes are on time.

    Step by step, with N(t - 1) the spikes so far, a / s the rate that a neuron should have, and the mean over
    observations and positions of a channel,

        beta_t <- beta_t - alpha mean( N(t - 1) + s_t(beta_t) - t a / s )        (`rounds` times),

    after which the step is taken for good, and its spikes go on to the next layer. The paper compares the spikes of one
    step with a / s; the sum over steps is used here because a spike that came too early can be made up for later. All
    layers are corrected in one simulation, which holds the membranes of all samples.

    It costs a table of T x C numbers per layer, and gains most where layers are convolutions and T is 16 or less.

    Args:
        plan: A plan in raw numbers, in "rate" coding; or its network.
        graph: The network that the plan was made of.
        observations: `[N, *input_shape]`.
        alpha: Size of a correction.
        rounds: Corrections of each step.
        samples: Observations that are used, evenly from all of them.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        SpikingPlan: With step biases, for its own number of steps.

    Raises:
        ArgumentError: If `alpha`, `rounds` or `samples` is not positive.
        CalibrationError: If there are no observations.
        PlanError: If the plan is on a grid, is not in "rate" coding, or is not the network's with its biases as the
            recipe made them.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> from dqn2snn.tracing import trace
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, states, recipe="tan2021", num_steps=6, grid=None).plan
        >>> ftbc(plan, trace(net, (4,)), states).layers[1].step_bias.shape
        torch.Size([6, 8])
    """
    if alpha <= 0 or rounds < 1 or samples < 1:
        raise ArgumentError(
            f"Expected positive alpha, rounds and samples. Found {alpha}, {rounds} and {samples}. Try 0.5, 4 and 1024."
        )
    batch, scales = checked(observations, graph), scales_of(plan, graph)
    if plan.coding.once or plan.coding.windowed:
        raise PlanError(
            f"Expected rate coding, in which every decision has the same steps. Found {plan.coding} coding. Use ridge."
        )
    batch = batch[torch.linspace(0, len(batch) - 1, min(samples, len(batch))).round().long()]
    with torch.no_grad():
        tables = _tables(plan, _targets(graph, scales, batch), batch, alpha, rounds, progress)
    hidden = zip(plan.layers[1:], tables, strict=True)
    corrected = tuple(replace(layer, step_bias=table.double()) for layer, table in hidden)
    return replace(plan, layers=(plan.layers[0], *corrected))


def _targets(graph: LayerGraph, scales: tuple[Scale, ...], batch: Tensor) -> list[Tensor]:
    """Find the rates that the layers behind the first should have."""
    z = list(graph.cast(torch.float32).pre_activations(batch.float()))
    return [scale.rate(values) for scale, values in list(zip(scales, z, strict=False))[1:]]


def _tables(
    plan: SpikingPlan, targets: list[Tensor], batch: Tensor, alpha: float, rounds: int, progress: bool
) -> list[Tensor]:
    ready = plan.cast(torch.float32)
    first, *others = ready.layers
    state, *states = at_rest(ready, len(batch)).layers[:-1]
    current = constant_current(plan, batch).float()
    tables = [torch.zeros(plan.num_steps, layer.shape[0]) for layer in others]
    for t in progress_bar(range(plan.num_steps), label="ftbc", progress=progress):
        fired, state = if_step(current, state, first)
        for i, (layer, target) in enumerate(zip(others, targets, strict=True)):
            arriving = layer.affine(fired)
            beta = tables[i][t]
            for _ in range(rounds):
                beta -= alpha * _ahead(layer, states[i], arriving + _wide(beta, layer), target * (t + 1))
            fired, states[i] = if_step(arriving + _wide(beta, layer), states[i], layer)
    return tables


def _ahead(layer: SpikingLayer, state: NeuronState, current: Tensor, due: Tensor) -> Tensor:
    """Mean lead of each channel over its due count after this step, in spikes, `[C]`."""
    count = state.count + spikes_of(state.membrane + current, state.count, layer)
    return (count - due).transpose(0, 1).flatten(1).mean(1)


def _wide(beta: Tensor, layer: SpikingLayer) -> Tensor:
    return per_channel(beta, layer.shape)
