"""Find where the error of a spiking network's decisions comes from, and what to change."""

from dqn2snn.analysis.diagnosis._diagnose import diagnose
from dqn2snn.analysis.diagnosis._findings import Diagnosis as Diagnosis

__all__ = ["diagnose"]
