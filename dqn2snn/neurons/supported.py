"""Which plans there are neuron modules for."""

from __future__ import annotations

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan


def check_supported(plan: SpikingPlan) -> None:
    """Refuse a plan that snnTorch and Norse have no modules for.

    Args:
        plan: The spiking network.

    Raises:
        PlanError: If its spikes are times.
    """
    if plan.coding.windowed:
        raise PlanError(
            "Expected a coding for which there are neuron modules, in which a spike reaches the next layer within its "
            f'step. Found coding={plan.coding.name!r}. Simulate it with engine="torch".'
        )
