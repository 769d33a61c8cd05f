"""Progressive tandem learning: layer by layer, each is converted and frozen, and the rest learns to live with it.

Wu, Xu, Zhang, Zhou, Li, Tan, "Progressive Tandem Learning for Pattern Recognition with Deep Spiking Neural Networks",
IEEE TPAMI 2022, arXiv 2007.01204.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.finetune._data import TrainingData
from dqn2snn.recipes.finetune._finetuning import finetuning
from dqn2snn.recipes.finetune._loop import train
from dqn2snn.recipes.finetune._rates import Answer, answer, clipped, counts_of, simulated
from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.recipes.finetune._trained import Trained


@finetuning
def tandem(plan: SpikingPlan, data: TrainingData, schedule: Schedule) -> SpikingPlan:
    """Convert a plan layer by layer, and fine-tune what follows each time.

    In stage l the layers up to l spike and are frozen; their real spike counts go into the layers behind, which still
    compute clip(z, 0, L) and are trained. The last stage trains the readout alone, as `ridge` does in closed form. The
    updates are divided evenly among the stages.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> observations = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, observations, recipe="rate+none", num_steps=4, grid=None).plan
        >>> tandem(plan, dqn2snn.trace(net, (4,)), observations, updates=2).recipe
        'rate+tandem:updates=2'
    """
    trained, stage = Trained(plan), replace(schedule, updates=max(1, schedule.updates // len(plan.layers)))
    for index, layer in enumerate(plan.layers):
        trained.freeze(index)
        train(trained, data, partial(_forward, index + 1), stage, f"tandem {layer.name}")
    return trained.exported()


def _forward(spiking: int, plan: SpikingPlan, observations: Tensor) -> Answer:
    record = simulated(plan, observations)
    real = [counts_of(counts) for counts in record.counts[:spiking]]
    ahead = len(plan.layers) - spiking
    return answer(plan, observations, [*real, *([clipped] * ahead)], None if ahead else record.q[-1])
