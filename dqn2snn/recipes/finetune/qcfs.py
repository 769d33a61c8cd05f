"""Quantisation clip-floor-shift: train the quantised network that the neurons compute when inputs come evenly.

Bu, Fang, Ding, Dai, Yu, Huang, "Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency Spiking Neural
Networks", ICLR 2022, arXiv 2303.04347.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.finetune._data import TrainingData
from dqn2snn.recipes.finetune._finetuning import finetuning
from dqn2snn.recipes.finetune._loop import train
from dqn2snn.recipes.finetune._rates import Answer, answer, quantised
from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.recipes.finetune._trained import Trained


@finetuning
def qcfs(plan: SpikingPlan, data: TrainingData, schedule: Schedule) -> SpikingPlan:
    """Fine-tune the quantised activations of a plan.

    With lambda the activation for which L spikes stand, L = T k in "rate" coding and L levels in "delta" coding,

        a = lambda / L clip(floor(z L / lambda + phi), 0, L),    phi = v_init / theta,    da/dz = 1 inside the clip.

    The neurons compute this when their inputs come evenly. It is exact for constant inputs and for
    "delta" networks that have settled, nearly so for signed neurons, and a bound for others. Nothing is simulated, and
    an update costs the same for every T. Q-values are the mean charge, which becomes the plan's readout. lambda,
    learned per channel, is a factor of the weights on both sides.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> observations = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, observations, recipe="rate+none", num_steps=4, grid=None).plan
        >>> qcfs(plan, dqn2snn.trace(net, (4,)), observations, updates=2).recipe
        'rate+qcfs:updates=2'
    """
    trained = Trained(replace(plan, readout="rate"))
    return train(trained, data, _forward, schedule, "qcfs").exported()


def _forward(plan: SpikingPlan, observations: Tensor) -> Answer:
    return answer(plan, observations, [quantised] * len(plan.layers))
