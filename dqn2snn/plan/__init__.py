"""What a spiking network *is*: the layer graph of a DQN, the plan made of it, its grid and its files."""

from dqn2snn.plan.coding import Coding, ReadoutKind
from dqn2snn.plan.layer import Reset, SpikingLayer
from dqn2snn.plan.reading import PlanOrNetwork, plan_of
from dqn2snn.plan.spiking_plan import SpikingPlan
from dqn2snn.plan.steps import check_num_steps

__all__ = [
    "Coding",
    "PlanOrNetwork",
    "ReadoutKind",
    "Reset",
    "SpikingLayer",
    "SpikingPlan",
    "check_num_steps",
    "plan_of",
]
