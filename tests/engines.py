"""The engines that every plan is simulated with in tests: those of the registry, where "auto" is the compiled one."""

from __future__ import annotations

from dqn2snn.engine.registry import AUTO
from dqn2snn.engine.registry import ENGINES as REGISTERED

ENGINES = [AUTO, *(name for name in REGISTERED if name != "event")]
