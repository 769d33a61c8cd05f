"""Surrogate gradients: train every single spike, through time.

Neftci, Mostafa, Zenke, "Surrogate Gradient Learning in Spiking Neural Networks", IEEE Signal Processing Magazine 2019,
arXiv 1901.09948; the triangular pseudo-derivative is that of Esser et al., PNAS 2016, arXiv 1603.08270.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.finetune._loop import Schedule, lesson, train
from dqn2snn.recipes.finetune._rates import Answer
from dqn2snn.recipes.finetune._scan import scan
from dqn2snn.recipes.finetune._trained import Trained
from dqn2snn.tracing.observations import Observations

__all__ = ["surrogate"]


@recorded
def surrogate(
    plan: SpikingPlan,
    graph: LayerGraph,
    observations: Observations,
    *,
    steps: int = 600,
    batch_size: int = 128,
    learning_rate: float = 0.01,
    features: float = 0.0,
    seed: int = 0,
    progress: bool = False,
) -> SpikingPlan:
    """Fine-tune a plan with its own spikes forward and a pseudo-derivative of each of them backward.

    With v the membrane before the reset, s = clip(floor(v / theta), m, M) the spikes of a step,

        ds/dv = 1 / theta min(1, v / theta - m, M + 1 - v / theta)   where positive,

    which for one unsigned spike is the triangle `max(0, 1 - |v / theta - 1|) / theta`. Unlike `qcfs` and `dsr` it knows
    when a spike comes, which is what decides at T below ten. A step costs time and memory in proportion to T.

    Args:
        plan: A plan in raw numbers (`grid=None`), or its network.
        graph: The DQN.
        observations: `[N, *input_shape]`, a few thousand.
        steps: Steps of Adam.
        batch_size: Observations of each.
        learning_rate: In root mean squares of a layer's weights; falls along a cosine.
        features: Weight of LaSNN's loss on the layers' attention; 0 for none.
        seed: Of the order of the observations.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        SpikingPlan: The same neurons with other numbers, raw.

    Raises:
        ArgumentError: If an option is out of range.
        CalibrationError: If there are too few observations.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If the plan is on a grid, or not one of the graph.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> observations = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, observations, recipe="rate+none", num_steps=4, grid=None).plan
        >>> surrogate(plan, dqn2snn.trace(net, (4,)), observations, steps=2).recipe
        'rate+surrogate:steps=2'
    """
    schedule = Schedule(steps, batch_size, learning_rate, features, seed, progress)
    given, trained = lesson(plan, graph, observations, seed), Trained(plan)
    train(trained, given, _forward, schedule, "surrogate")
    return trained.exported()


def _forward(plan: SpikingPlan, observations: Tensor) -> Answer:
    coding, steps = plan.coding, plan.settling_steps
    constant = plan.layers[0].affine(observations)
    first, later = coding.drive(constant, torch.zeros_like(constant))
    currents = torch.cat([first[None], later.expand(steps - 1, *later.shape)])
    features = []
    for layer, after in zip(plan.layers, plan.all_layers[1:], strict=True):
        spikes = scan(currents, layer)
        features.append(spikes.sum(0) / coding.quanta(steps))
        currents = after.affine(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])
        if after.step_bias is not None:
            currents = currents + after.step_bias[:, None]
    return Answer(coding.decode(plan, currents.cumsum(0))[-1], tuple(features))
