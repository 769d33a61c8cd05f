"""What a spiking network *is*: the layer graph of a DQN, the plan made of it, its grid and its files."""

from dqn2snn.plan._plan import (
    FORMAT_VERSION,
    Coding,
    ReadoutKind,
    Reset,
    SpikingLayer,
    SpikingPlan,
    check_num_steps,
    synapses,
)

__all__ = [
    "FORMAT_VERSION",
    "Coding",
    "ReadoutKind",
    "Reset",
    "SpikingLayer",
    "SpikingPlan",
    "check_num_steps",
    "synapses",
]
