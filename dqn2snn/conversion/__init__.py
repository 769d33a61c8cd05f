"""The front door: `convert` makes a trained Q-network spike, `aggregate` does it again on the states that it visits."""

from dqn2snn.conversion._aggregate import aggregate
from dqn2snn.conversion._convert import convert

__all__ = ["aggregate", "convert"]
