"""Plans in the shape of hardware: few bits, and what they need of a chip.

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
from dqn2snn.analysis.hardware.energy import ENERGY_MODELS, DecisionCost, EnergyModel, decision_cost
from dqn2snn.analysis.hardware.footprint import Footprint, LayerFootprint, footprint
from dqn2snn.analysis.hardware.placement import Placement, place
from dqn2snn.analysis.hardware.quantize import check_bits, quantize

__all__ = [
    "DEVICES",
    "ENERGY_MODELS",
    "DecisionCost",
    "Device",
    "EnergyModel",
    "Footprint",
    "LayerFootprint",
    "Placement",
    "check_bits",
    "decision_cost",
    "footprint",
    "place",
    "quantize",
]
