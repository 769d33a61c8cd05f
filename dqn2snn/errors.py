"""Everything that dqn2snn raises on purpose.

Each message says what was expected, what was found and what to do. All kinds derive from
`Dqn2SnnError`, so one ``except`` catches whatever this library refuses; most also derive from the
built-in exception that a caller would expect (`ValueError`, `TypeError`, `ImportError`).
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "CalibrationError",
    "CheckpointError",
    "Dqn2SnnError",
    "EnvironmentMismatchError",
    "MissingExtraError",
    "ObservationError",
    "PlanError",
    "UnsupportedModuleError",
]


class Dqn2SnnError(Exception):
    """Base of every error that dqn2snn raises on purpose."""


class ArgumentError(Dqn2SnnError, ValueError):
    """An argument is outside what the function accepts."""


class ObservationError(ArgumentError):
    """Observations have the wrong shape or dtype, or hold NaN or infinity."""


class CalibrationError(ArgumentError):
    """The calibration observations do not determine the thresholds."""


class PlanError(ArgumentError):
    """A spiking plan cannot be built, or does not hold what is asked of it."""


class UnsupportedModuleError(Dqn2SnnError, TypeError):
    """The Q-network holds something that has no exact spiking counterpart."""


class CheckpointError(Dqn2SnnError):
    """A file is not what it should be: missing, truncated, corrupt or of another version."""


class EnvironmentMismatchError(Dqn2SnnError):
    """An environment does not fit the network that is to act in it."""


class MissingExtraError(Dqn2SnnError, ImportError):
    """An optional dependency is not installed; the message gives the pip line."""
