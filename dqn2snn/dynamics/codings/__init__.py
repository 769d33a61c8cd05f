"""What spikes mean, a coding a file; `dqn2snn.plan.coding.Coding` is what they have in common.

A coding is one file with a `CODING`, and its name among `dqn2snn.plan.coding.CODINGS`.
"""

from __future__ import annotations

from dqn2snn.dynamics.codings.delta import DeltaCoding
from dqn2snn.dynamics.codings.latency import LatencyCoding
from dqn2snn.dynamics.codings.rate import RateCoding
from dqn2snn.plan.coding import CODINGS, Coding, coding_named, coding_names

__all__ = [
    "CODINGS",
    "Coding",
    "DeltaCoding",
    "LatencyCoding",
    "RateCoding",
    "coding_named",
    "coding_names",
]
