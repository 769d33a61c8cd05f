"""Differentiation on spike representation: train at the spike counts that the neurons really have.

Meng, Xiao, Yan, Wang, Lin, Luo, "Training High-Performance Low-Latency Spiking Neural Networks by Differentiation on
Spike Representation", CVPR 2022, arXiv 2205.00459.
"""

from __future__ import annotations

from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.finetune._loop import Schedule, lesson, train
from dqn2snn.recipes.finetune._rates import Answer, answer, counts_of, simulated
from dqn2snn.recipes.finetune._trained import Trained
from dqn2snn.tracing.observations import Observations

__all__ = ["dsr"]


@recorded
def dsr(
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
    """Fine-tune a plan with its own spikes forward and the rate map backward.

    In every step the network is simulated as it is: neurons that send one spike or several, take spikes back, remember.
    The gradient is that of the rate r which the mean current z would cause,

        r = clip(z / theta, 0, k),    dr/dz = 1 / theta inside the clip,

    so that no time is kept, and what uneven inputs do is learned all the same.

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
        >>> dsr(plan, dqn2snn.trace(net, (4,)), observations, steps=2).recipe
        'rate+dsr:steps=2'
    """
    schedule = Schedule(steps, batch_size, learning_rate, features, seed, progress)
    given, trained = lesson(plan, graph, observations, seed), Trained(plan)
    train(trained, given, _forward, schedule, "dsr")
    return trained.exported()


def _forward(plan: SpikingPlan, observations: Tensor) -> Answer:
    record = simulated(plan, observations)
    return answer(plan, observations, [counts_of(counts) for counts in record.counts[:-1]], record.q[-1])
