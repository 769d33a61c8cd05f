"""Sinabs: `IAFSqueeze` layers as its `from_model` puts them in, all steps folded into the batch."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Simulation, library, peers
from measuring.speed.peers.modules import simulation, synapses_of, threshold_of

__all__ = ["CONTESTANTS"]

_PIP = "--no-deps sinabs && pip install pbr nir nirtorch matplotlib"


def _folded(plan: SpikingPlan, once: bool) -> Simulation:
    layers: Any = library("sinabs.layers", _PIP)
    activation: Any = library("sinabs.activation", _PIP)
    sinabs: Any = library("sinabs", _PIP)
    synapses = synapses_of(plan, once)
    # One spike a step and no floor under the membrane; the defaults are many spikes and a floor at -threshold.
    neurons: list[Any] = [
        layers.IAFSqueeze(
            batch_size=1, spike_threshold=threshold_of(plan), spike_fn=activation.SingleSpike, min_v_mem=None
        )
        for _ in plan.layers
    ]
    net = nn.Sequential(*synapses.interleaved(neurons))

    def run(observations: Tensor, num_steps: int) -> Tensor:
        batch = len(observations)
        for neuron in neurons:
            neuron.batch_size = batch
        sinabs.reset_states(net)
        currents = synapses.all_currents(observations, num_steps).flatten(0, 1)
        total: Tensor = net(currents).unflatten(0, (batch, num_steps)).sum(1)
        return total

    return simulation(plan, run, neurons, 1)


CONTESTANTS = peers(
    "sinabs",
    "sinabs",
    "IAFSqueeze(spike_fn=SingleSpike, min_v_mem=None), all steps at once",
    _folded,
    keeps_time=True,
)
