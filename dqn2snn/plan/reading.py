"""The plan of a plan, or of a network that is made of one: what every function that reads plans begins with."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from dqn2snn.errors import ArgumentError
from dqn2snn.plan.spiking_plan import SpikingPlan


class HasPlan(Protocol):
    """Anything that is made of a plan and keeps it: a `SpikingQNetwork`, which this room does not know."""

    @property
    def plan(self) -> SpikingPlan:
        """The plan."""


PlanOrNetwork: TypeAlias = SpikingPlan | HasPlan
"""A plan, or a network that has one."""


def plan_of(plan: PlanOrNetwork) -> SpikingPlan:
    """The plan of a plan or of a network.

    Args:
        plan: A `SpikingPlan`, or a `SpikingQNetwork`.

    Returns:
        SpikingPlan: The plan itself, or that of the network.

    Raises:
        ArgumentError: If it is something else.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(64, 4), num_steps=16)
        >>> plan_of(snn) is plan_of(snn.plan)
        True
        >>> plan_of(net)
        Traceback (most recent call last):
        ...
        dqn2snn.errors.ArgumentError: Expected a SpikingPlan or a SpikingQNetwork. Found Sequential. Make one of a DQN \
with dqn2snn.convert(dqn, observations).
    """
    found = plan if isinstance(plan, SpikingPlan) else getattr(plan, "plan", None)
    if not isinstance(found, SpikingPlan):
        raise ArgumentError(
            f"Expected a SpikingPlan or a SpikingQNetwork. Found {type(plan).__name__}. Make one of a DQN with "
            "dqn2snn.convert(dqn, observations)."
        )
    return found
