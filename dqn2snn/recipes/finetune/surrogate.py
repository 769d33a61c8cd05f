"""Surrogate gradients: train every single spike, through time.

Neftci, Mostafa, Zenke, "Surrogate Gradient Learning in Spiking Neural Networks", IEEE Signal Processing Magazine 2019,
arXiv 1901.09948; the triangular pseudo-derivative is that of Esser et al., PNAS 2016, arXiv 1603.08270.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.finetune._data import TrainingData
from dqn2snn.recipes.finetune._finetuning import finetuning
from dqn2snn.recipes.finetune._loop import train
from dqn2snn.recipes.finetune._rates import Answer
from dqn2snn.recipes.finetune._scan import scan
from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.recipes.finetune._trained import Trained


@finetuning
def surrogate(plan: SpikingPlan, data: TrainingData, schedule: Schedule) -> SpikingPlan:
    """Fine-tune a plan with its own spikes forward and a pseudo-derivative of each of them backward.

    With v the membrane before the reset, s = clip(floor(v / theta), m, M) the spikes of a step,

        ds/dv = 1 / theta min(1, v / theta - m, M + 1 - v / theta)   where positive,

    which for one unsigned spike is the triangle `max(0, 1 - |v / theta - 1|) / theta`. Unlike `qcfs` and `dsr` it knows
    when a spike comes, which is what decides at T below ten. An update costs time and memory in proportion to T.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> observations = torch.rand(64, 4)
        >>> plan = dqn2snn.convert(net, observations, recipe="rate+none", num_steps=4, grid=None).plan
        >>> surrogate(plan, dqn2snn.trace(net, (4,)), observations, updates=2).recipe
        'rate+surrogate:updates=2'
    """
    return train(Trained(plan), data, _forward, schedule, "surrogate").exported()


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
