"""Quantisation clip-floor-shift: train the quantised network that the neurons compute when inputs come evenly.

Bu, Fang, Ding, Dai, Yu, Huang, "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural
Networks", ICLR 2022, arXiv 2303.04347.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.finetune._loop import Schedule, lesson, train
from dqn2snn.recipes.finetune._rates import Answer, answer, quantised
from dqn2snn.recipes.finetune._trained import Trained
from dqn2snn.tracing.observations import Observations

__all__ = ["qcfs"]


@recorded
def qcfs(
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
    """Fine-tune the quantised activations of a plan.

    With lambda the activation of which L spikes tell, L = T k in "rate" coding and L levels in "delta" coding,

        a = lambda / L clip(floor(z L / lambda + phi), 0, L),    phi = v_init / theta,    da/dz = 1 inside the clip.

    It is what the neurons say when their inputs come evenly, whatever they are: exact for constant inputs and for
    "delta" networks that have settled, nearly so for signed neurons, and a bound for others. Nothing is simulated, and
    a step costs the same for every T. Q-values are the mean charge, which becomes the plan's readout. lambda, learned
    per channel, is a factor of the weights on both sides.

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
        >>> qcfs(plan, dqn2snn.trace(net, (4,)), observations, steps=2).recipe
        'rate+qcfs:steps=2'
    """
    schedule = Schedule(steps, batch_size, learning_rate, features, seed, progress)
    given = lesson(plan, graph, observations, seed)
    trained = Trained(replace(plan, readout="rate"))
    train(trained, given, _forward, schedule, "qcfs")
    return trained.exported()


def _forward(plan: SpikingPlan, observations: Tensor) -> Answer:
    return answer(plan, observations, [quantised] * len(plan.layers))
