"""Event-driven simulation, in C++: work is done where a neuron spikes, and nowhere else.

`EventNetwork` is a plan made ready for the compiled extension, `EventStream` lets it remember from one decision to the
next, and `EVENT` is the engine of both. On the grid the spikes are those of the float64 reference, one by one.
"""

from __future__ import annotations

from dqn2snn.engine.event.network import EventNetwork as EventNetwork
from dqn2snn.engine.event.prepare import refusal as refusal
from dqn2snn.engine.event.simulation import EVENT as EVENT
from dqn2snn.engine.event.stream import EventStream as EventStream
