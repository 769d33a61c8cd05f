"""BindsNET: its own `ann_to_snn`, run in feed-forward mode."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Contestant, Simulation, UnavailableError, library
from measuring.speed.peers.modules import Run, Synapses, simulation, synapses_of, threshold_of

__all__ = ["CONTESTANTS"]

_PIP = "bindsnet"


def _converted(plan: SpikingPlan, dqn: nn.Module) -> Simulation:
    conversion: Any = library("bindsnet.conversion", _PIP)
    if threshold_of(plan) != 1.0:
        raise UnavailableError("ann_to_snn makes neurons of threshold 1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that weights will not be scaled: they are
        net = conversion.ann_to_snn(_ann(synapses_of(plan)), input_shape=plan.input_shape)
    net.train(False)
    _, *neurons, output = net.layers.values()

    def run(observations: Tensor, num_steps: int) -> Tensor:
        net.reset_state_variables()
        # A copy, because the input layer keeps it as its state, which the next reset sets to zero.
        inputs = observations.clone().expand(num_steps, *observations.shape)
        net.run({"Input": inputs}, time=num_steps, one_step=True)
        total: Tensor = output.summed.reshape(len(observations), -1)
        return total

    return _with_counts(plan, run, net, neurons)


def _ann(synapses: Synapses) -> nn.Sequential:
    """The network as `ann_to_snn` wants it: weighted layers alone, a flattening implied."""
    stages = nn.Sequential(synapses.first, *synapses.between, synapses.head)
    weighted = [module for module in stages.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return nn.Sequential(*weighted)


def _with_counts(plan: SpikingPlan, run: Run, net: Any, neurons: list[Any]) -> Simulation:
    monitors: Any = library("bindsnet.network.monitors", _PIP)
    plain = simulation(plan, run, (), None)

    def counts(observations: Tensor, num_steps: int) -> tuple[Tensor, ...]:
        names = [f"counts of {index}" for index in range(len(neurons))]
        for name, node in zip(names, neurons, strict=True):
            net.add_monitor(monitors.Monitor(node, ["s"], time=num_steps), name)
        try:
            plain.q(observations, num_steps)
            return tuple(net.monitors[name].get("s").double().sum(0) for name in names)
        finally:
            for name in names:
                del net.monitors[name]

    return Simulation(plain.q, counts)


CONTESTANTS = (
    Contestant(
        "bindsnet",
        "peer",
        "bindsnet",
        "ann_to_snn, run(one_step=True), which computes the first layer at every step",
        _converted,
    ),
)
