"""Responses of spiking neurons to observations, from which corrections learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.engine.registry import AUTO, PreparedPlan
from dqn2snn.engine.values import BATCH
from dqn2snn.errors import CalibrationError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes.correction._scales import Scale
from dqn2snn.tracing.observations import Observations, check_observations


@dataclass(frozen=True, eq=False)
class Responses:
    """Rates of a spiking layer beside the pre-activations of the DQN.

    Attributes:
        rates: `mean_spikes` of one hidden layer, `[B, *shape]`, float32; in "delta" coding levels.
        preactivations: z of every hidden layer, then the Q-values, `[B, *shape]`, float32.
    """

    rates: Tensor
    preactivations: tuple[Tensor, ...]


def checked(observations: Observations, graph: LayerGraph) -> Tensor:
    """Check observations, and return them as a tensor.

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


def responses(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Tensor,
    layer: int,
    *,
    progress: bool = True,
    label: str = "correct",
) -> Iterator[Responses]:
    """Simulate a plan on observations, a batch at a time.

    Args:
        plan: The spiking network so far.
        graph: The network that it was made of.
        observations: `[N, *input_shape]`.
        layer: Index of the hidden layer.
        progress: Show a progress bar when standard error is a terminal.
        label: Label of the bar.

    Yields:
        Responses: Responses to each batch, in order.
    """
    simulation = PreparedPlan(plan, observations.device).simulation(AUTO)
    runner = graph.cast(torch.float32, observations.device)
    for batch in progress_bar(observations.split(BATCH), label=label, progress=progress):
        (rates,) = simulation.values(batch, [layer])
        yield Responses(rates, tuple(runner.pre_activations(batch.float())))


def mean_error(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Tensor,
    layer: int,
    scale: Scale,
    *,
    progress: bool = True,
) -> Tensor:
    """Measure by how much the rates of a hidden layer fall short of the DQN's activations on average.

    Args:
        plan: The spiking network so far.
        graph: The network that it was made of.
        observations: `[N, *input_shape]`.
        layer: Index of the hidden layer.
        scale: Map from its rates to activations.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        Tensor: `mean(a / s - r)` of each neuron, `[*shape]`, float64.
    """
    total = torch.zeros(plan.layers[layer].shape, dtype=torch.float64)
    label = plan.layer_names[layer]
    for part in responses(plan, graph, observations, layer, progress=progress, label=label):
        total += (scale.rate(part.preactivations[layer].double()) - part.rates).sum(0)
    return total / len(observations)
