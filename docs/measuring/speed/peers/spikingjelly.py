"""SpikingJelly: `IFNode(v_reset=None)`, step by step and all steps at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Simulation, library, peers
from measuring.speed.peers.modules import simulation, synapses_of, threshold_of

__all__ = ["CONTESTANTS"]

_PIP = "--no-deps spikingjelly && pip install loguru h5py matplotlib"


def _neurons(plan: SpikingPlan, step_mode: str) -> list[nn.Module]:
    neuron = library("spikingjelly.activation_based.neuron", _PIP)
    return [
        neuron.IFNode(v_threshold=threshold_of(plan), v_reset=None, step_mode=step_mode).eval()
        for _ in plan.layers
    ]


def _single_step(plan: SpikingPlan, once: bool) -> Simulation:
    functional: Any = library("spikingjelly.activation_based.functional", _PIP)
    synapses, neurons = synapses_of(plan, once), _neurons(plan, "s")
    net = nn.Sequential(*synapses.interleaved(neurons))

    def run(observations: Tensor, num_steps: int) -> Tensor:
        functional.reset_net(net)
        total = torch.zeros(())
        for current in synapses.currents(observations, num_steps):
            total = total + net(current)
        return total

    return simulation(plan, run, neurons, None)


def _multi_step(plan: SpikingPlan, once: bool) -> Simulation:
    functional: Any = library("spikingjelly.activation_based.functional", _PIP)
    layer: Any = library("spikingjelly.activation_based.layer", _PIP)
    synapses, neurons = synapses_of(plan, once), _neurons(plan, "m")
    stages = synapses.interleaved(neurons)
    net = nn.Sequential(*(stage if stage in neurons else layer.SeqToANNContainer(stage) for stage in stages))

    def run(observations: Tensor, num_steps: int) -> Tensor:
        functional.reset_net(net)
        total: Tensor = net(synapses.all_currents(observations, num_steps).transpose(0, 1)).sum(0)
        return total

    return simulation(plan, run, neurons, 0)


CONTESTANTS = (
    *peers("spikingjelly", "spikingjelly", "IFNode(v_reset=None), single-step", _single_step),
    *peers(
        "spikingjelly-multi",
        "spikingjelly",
        'IFNode(v_reset=None, step_mode="m"), all steps at once',
        _multi_step,
        keeps_time=True,
    ),
)
