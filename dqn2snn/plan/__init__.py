"""Plans, which say what a spiking network is: the layer graph of a DQN, the plan made of it, its grid and its files."""

from dqn2snn.plan.coding import Coding
from dqn2snn.plan.coding import ReadoutKind as ReadoutKind
from dqn2snn.plan.layer import Reset as Reset
from dqn2snn.plan.layer import SpikingLayer
from dqn2snn.plan.reading import PlanOrNetwork as PlanOrNetwork
from dqn2snn.plan.reading import plan_of as plan_of
from dqn2snn.plan.spiking_plan import SpikingPlan
from dqn2snn.plan.steps import check_num_steps as check_num_steps

__all__ = ["Coding", "SpikingLayer", "SpikingPlan"]
