"""The contestants, one module for each library, each written as a user of that library would.

All of them simulate the same plan: constant first current, integrate-and-fire neurons with reset by subtraction, output
currents summed over time. A library is imported when its contestant is built, so none of them has to be installed.
"""

from __future__ import annotations

from measuring.speed.peers import bindsnet, dqn, engines, norse, sinabs, snntorch, spikingjelly
from measuring.speed.peers.contestant import Contestant, Kind, Simulation, UnavailableError, build

__all__ = ["CONTESTANTS", "Contestant", "Kind", "Simulation", "UnavailableError", "build"]

CONTESTANTS: tuple[Contestant, ...] = (
    *engines.CONTESTANTS,
    *dqn.CONTESTANTS,
    *snntorch.CONTESTANTS,
    *norse.CONTESTANTS,
    *spikingjelly.CONTESTANTS,
    *sinabs.CONTESTANTS,
    *bindsnet.CONTESTANTS,
)
"""Everybody, our own engines and the DQN first."""
