"""Differentiation on spike representation: train at the spike counts that the neurons really have.

Meng, Xiao, Yan, Wang, Lin, Luo, "Training High-Performance Low-Latency Spiking Neural Networks by Differentiation on
Spike Representation", CVPR 2022, arXiv 2205.00459.
"""

from __future__ import annotations

from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.finetune._data import TrainingData
from dqn2snn.recipes.finetune._finetuning import finetuning
from dqn2snn.recipes.finetune._loop import train
from dqn2snn.recipes.finetune._rates import Answer, answer, counts_of, simulated
from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.recipes.finetune._trained import Trained


@finetuning
def dsr(plan: SpikingPlan, data: TrainingData, schedule: Schedule) -> SpikingPlan:
    """Fine-tune a plan with its own spikes forward and the rate map backward.

    At every update the network is simulated as it is: neurons that send one spike or several, take spikes back,
    remember. The gradient is that of the rate r which the mean current z would cause,

        r = clip(z / theta, 0, k),    dr/dz = 1 / theta inside the clip,

    so that no time is kept, and what uneven inputs do is learned all the same.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> observations = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, observations, recipe="rate+none", num_steps=4, grid=None).plan
        >>> dsr(plan, dqn2snn.trace(net, (4,)), observations, updates=2).recipe
        'rate+dsr:updates=2'
    """
    return train(Trained(plan), data, _forward, schedule, "dsr").exported()


def _forward(plan: SpikingPlan, observations: Tensor) -> Answer:
    record = simulated(plan, observations)
    return answer(plan, observations, [counts_of(counts) for counts in record.counts[:-1]], record.q[-1])
