"""snnTorch: the step loop of its tutorials, `spk, mem = lif(current, mem)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.neurons.surrogate import FireAtThreshold
from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Simulation, library, peers
from measuring.speed.peers.modules import simulation, synapses_of, threshold_of

__all__ = ["CONTESTANTS"]


def _stock(plan: SpikingPlan) -> list[nn.Module]:
    snn = library("snntorch", "snntorch")
    return [snn.Leaky(beta=1.0, threshold=threshold_of(plan)) for _ in plan.layers]


def _at_threshold(plan: SpikingPlan) -> list[nn.Module]:
    snn, fire = library("snntorch", "snntorch"), FireAtThreshold()
    return [snn.Leaky(beta=1.0, threshold=threshold_of(plan), spike_grad=fire) for _ in plan.layers]


def _own(plan: SpikingPlan) -> list[nn.Module]:
    return [library("dqn2snn.neurons.snntorch", "snntorch").IF(threshold_of(plan)) for _ in plan.layers]


def _loop(neurons_of: Callable[[SpikingPlan], Sequence[Any]]) -> Callable[[SpikingPlan, bool], Simulation]:
    def make(plan: SpikingPlan, once: bool) -> Simulation:
        synapses, neurons = synapses_of(plan, once), neurons_of(plan)

        def run(observations: Tensor, num_steps: int) -> Tensor:
            mems = [torch.zeros(()) for _ in neurons]  # of another shape than the current: a fresh start
            total = torch.zeros(())
            for current in synapses.currents(observations, num_steps):
                spk, mems[0] = neurons[0](current, mems[0])
                for i, between in enumerate(synapses.between, start=1):
                    spk, mems[i] = neurons[i](between(spk), mems[i])
                total = total + synapses.head(spk)
            return total

        return simulation(plan, run, neurons, None)

    return make


CONTESTANTS = (
    *peers("snntorch", "snntorch", "Leaky(beta=1), step loop", _loop(_stock)),
    *peers(
        "snntorch-at-threshold",
        "snntorch",
        "Leaky(beta=1) with a firing function that fires at v = threshold, step loop",
        _loop(_at_threshold),
    ),
    *peers("snntorch-if", "snntorch", "dqn2snn.neurons.snntorch.IF, step loop", _loop(_own), kind="modules"),
)
