"""Progressive tandem learning: layer by layer, each is converted and frozen, and the rest learns to live with it.

Wu, Xu, Zhang, Zhou, Li, Tan, "Progressive Tandem Learning for Pattern Recognition with Deep Spiking Neural Networks",
IEEE TPAMI 2022, arXiv 2007.01204.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._step import recorded
from dqn2snn.recipes.finetune._loop import Schedule, lesson, train
from dqn2snn.recipes.finetune._rates import Answer, answer, clipped, counts_of, simulated
from dqn2snn.recipes.finetune._trained import Trained
from dqn2snn.tracing.observations import Observations

__all__ = ["tandem"]


@recorded
def tandem(
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
    """Convert a plan layer by layer, and fine-tune what follows each time.

    In stage l the layers up to l spike and are frozen; their real spike counts go into the layers behind, which still
    compute clip(z, 0, L) and are trained. The last stage trains the readout alone, as `ridge` does in closed form. The
    steps are divided evenly among the stages.

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
        >>> tandem(plan, dqn2snn.trace(net, (4,)), observations, steps=2).recipe
        'rate+tandem:steps=2'
    """
    schedule = Schedule(
        max(1, steps // len(plan.layers)), batch_size, learning_rate, features, seed, progress
    )
    given, trained = lesson(plan, graph, observations, seed), Trained(plan)
    for index, layer in enumerate(plan.layers):
        trained.freeze(index)
        train(trained, given, partial(_forward, index + 1), schedule, f"tandem {layer.name}")
    return trained.exported()


def _forward(spiking: int, plan: SpikingPlan, observations: Tensor) -> Answer:
    record = simulated(plan, observations)
    real = [counts_of(counts) for counts in record.counts[:spiking]]
    ahead = len(plan.layers) - spiking
    return answer(plan, observations, [*real, *([clipped] * ahead)], None if ahead else record.q[-1])
