"""Which plans there are neuron modules for."""

from __future__ import annotations

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan

__all__ = ["check_supported"]


def check_supported(plan: SpikingPlan) -> None:
    """Refuse a plan that snnTorch and Norse have no modules for.

    Args:
        plan: The spiking network.

    Raises:
        PlanError: If its spikes are times.
    """
    if plan.coding not in ("rate", "delta"):
        raise PlanError(
            'Expected a plan in "rate" or "delta" coding, for which there are neuron modules. Found '
            f'coding={plan.coding!r}. Simulate it with engine="torch".'
        )
