"""Simulation of plans: engines behind one interface, control loops, decisions that stop early.

An `Engine` makes a `Simulation` of a plan on a device.

Engines: `reference` is the float64 step loop that says what is right; `layerwise` gives the same spikes faster, one
layer after the other in chunks of time; `event` touches only the weights of neurons that spike; `modules` steps the
native modules. `simulation` is the interface, `registry` lists them, `stream` lets a network remember.
"""

from __future__ import annotations

from dqn2snn.engine.reference import simulate_reference as simulate_reference
