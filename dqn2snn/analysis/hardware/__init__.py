"""Hardware: weights of few bits, and the cores, bits and energy that a plan needs.

`quantize` rounds weights to a few bits with power-of-two scales and repairs, from observations alone, what that breaks.
`footprint` counts neurons, synapses and bits; `place` says how many cores of a chip that takes, or what keeps it from
there; `decision_cost` counts operations and estimates their energy.

Example:
    >>> import torch
    >>> from torch import nn
    >>> import dqn2snn
    >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
    >>> plan = quantize(dqn2snn.convert(net, states, num_steps=16), bits=8, observations=states)
    >>> place(plan, "loihi2").fits
    True
    >>> snn = dqn2snn.SpikingQNetwork(plan)
    >>> joules = decision_cost(plan, snn.record(states)).joules("loihi")
"""

from dqn2snn.analysis.hardware.devices import DEVICES, Device
from dqn2snn.analysis.hardware.energy import ENERGY_MODELS, EnergyModel, decision_cost
from dqn2snn.analysis.hardware.energy import DecisionCost as DecisionCost
from dqn2snn.analysis.hardware.footprint import Footprint as Footprint
from dqn2snn.analysis.hardware.footprint import LayerFootprint as LayerFootprint
from dqn2snn.analysis.hardware.footprint import footprint
from dqn2snn.analysis.hardware.placement import Placement as Placement
from dqn2snn.analysis.hardware.placement import place
from dqn2snn.analysis.hardware.quantize import quantize

__all__ = [
    "DEVICES",
    "ENERGY_MODELS",
    "Device",
    "EnergyModel",
    "decision_cost",
    "footprint",
    "place",
    "quantize",
]
