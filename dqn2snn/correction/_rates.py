"""What a spiking network's own neurons say about observations: the input of every correction behind the first layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn.correction._scales import Scale
from dqn2snn.dynamics import if_step
from dqn2snn.encode import constant_current
from dqn2snn.errors import CalibrationError
from dqn2snn.graph import LayerGraph
from dqn2snn.observations import Observations, check_observations
from dqn2snn.plan import SpikingPlan
from dqn2snn.state import at_rest

__all__ = ["Shown", "checked", "mean_error", "mean_spikes", "shown", "step_weights"]

_BATCH = 256
"""Observations that are simulated at once; memory does not grow with their number."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What some observations make a spiking network show, and what the DQN computes of them.

    Attributes:
        rates: Of the hidden layers that were simulated, `[B, *shape]`, float32: the mean of the spikes over time,
            weighted as the readout weighs them; in "delta" coding levels.
        preactivations: z of every hidden layer, then the Q-values, `[B, *shape]`, float32.
    """

    rates: tuple[Tensor, ...]
    preactivations: tuple[Tensor, ...]


def checked(observations: Observations, graph: LayerGraph) -> Tensor:
    """The observations as a tensor.

    Raises:
        CalibrationError: If there are none.
        ObservationError: If they have the wrong shape, or hold NaN or infinity.
    """
    batch = check_observations(observations, graph.input_shape)
    if len(batch) == 0:
        raise CalibrationError(
            "Expected observations to correct on. Found none. Collect some with dqn2snn.collect_observations."
        )
    return batch


def step_weights(plan: SpikingPlan) -> Tensor:
    """How much a spike at each step counts in the readout, `[T]`, float64.

    The mean rate counts all alike, 1 / T. The slope of the charge, sum_t t C(t) / sum_t t^2, counts an early spike,
    which is in every later C(t), for more: w_s = sum_{t >= s} t / sum_t t^2. Both sum to one. In "delta" coding
    spikes are summed.

    Example:
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> step_weights(dqn2snn.convert(net, torch.rand(64, 4), recipe="tan2021", num_steps=4).plan)
        tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    if plan.coding == "delta":
        return torch.ones(plan.warmup_steps + plan.num_steps, dtype=torch.float64)
    steps = torch.arange(1, plan.num_steps + 1, dtype=torch.float64)
    if plan.readout == "slope":
        return steps.flip(0).cumsum(0).flip(0) / (steps * steps).sum()
    return torch.full_like(steps, 1 / plan.num_steps)


def shown(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Tensor,
    *,
    layers: int | None = None,
    progress: bool = False,
    label: str = "correct",
) -> Iterator[Shown]:
    """Simulate observations, a batch at a time.

    A decision starts from rest. In "delta" coding it takes the steps of the first decision of an episode, after
    which the levels have settled.

    Args:
        plan: The spiking network so far.
        graph: The network that it was made of.
        observations: `[N, *input_shape]`.
        layers: How many hidden layers to simulate; all by default.
        progress: Show a progress bar.
        label: Of the bar.

    Yields:
        Shown: Of each batch, in order.
    """
    ready, runner = (
        plan.cast(torch.float32, observations.device),
        graph.cast(torch.float32, observations.device),
    )
    count = len(plan.layers) if layers is None else layers
    for batch in tqdm(observations.split(_BATCH), desc=label, leave=False, disable=not progress):
        yield Shown(_rates(ready, batch, count), tuple(runner.pre_activations(batch.float())))


def mean_spikes(plan: SpikingPlan, observations: Tensor, layers: int | None = None) -> tuple[Tensor, ...]:
    """The spikes of hidden layers, their mean over time as `Shown` has it, a batch simulated at a time.

    Args:
        plan: Of any recipe whose spikes are counted.
        observations: `[N, *input_shape]`, one or more.
        layers: How many hidden layers to simulate; all by default.

    Returns:
        tuple[Tensor, ...]: `[N, *shape]` float32 of each of these layers.

    Example:
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> [rates.shape for rates in mean_spikes(dqn2snn.convert(net, states, num_steps=4).plan, states)]
        [torch.Size([64, 8])]
    """
    ready, count = (
        plan.cast(torch.float32, observations.device),
        len(plan.layers) if layers is None else layers,
    )
    parts = [_rates(ready, batch, count) for batch in observations.split(_BATCH)]
    return tuple(torch.cat(layer) for layer in zip(*parts, strict=True))


def _rates(plan: SpikingPlan, observations: Tensor, count: int) -> tuple[Tensor, ...]:
    current, zero = constant_current(plan, observations).float(), None
    layers, states = plan.layers[:count], list(at_rest(plan, len(observations)).layers[:count])
    rates = [torch.zeros_like(state.membrane) for state in states]
    for t, weight in enumerate(step_weights(plan).tolist()):
        if t and plan.coding == "delta":
            current = zero = torch.zeros_like(current) if zero is None else zero
        fired = current
        for i, layer in enumerate(layers):
            arriving = fired if i == 0 else layer.affine(fired)
            if layer.step_bias is not None:
                arriving = arriving + layer.step_bias[t]
            fired, states[i] = if_step(arriving, states[i], layer)
            rates[i].add_(fired, alpha=weight)
    return tuple(rates)


def mean_error(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Tensor,
    layer: int,
    scale: Scale,
    *,
    progress: bool = False,
) -> Tensor:
    """By how much the rates of a hidden layer fall short of the DQN's activations on average.

    Args:
        plan: The spiking network so far.
        graph: The network that it was made of.
        observations: `[N, *input_shape]`.
        layer: Which hidden layer.
        scale: What its rates stand for.
        progress: Show a progress bar.

    Returns:
        Tensor: `mean(a / s - r)` of each neuron, `[*shape]`, float64.
    """
    total = torch.zeros(plan.layers[layer].shape, dtype=torch.float64)
    label = plan.layer_names[layer]
    for part in shown(plan, graph, observations, layers=layer + 1, progress=progress, label=label):
        total += (scale.rate(part.preactivations[layer].double()) - part.rates[layer]).sum(0)
    return total / len(observations)
