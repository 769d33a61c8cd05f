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
        PlanError: If spikes are times, or a neuron that sends several spikes or takes some back is reset to zero.
    """
    if plan.coding not in ("rate", "delta"):
        raise PlanError(
            'Expected a plan in "rate" or "delta" coding, for which there are neuron modules. Found '
            f'coding={plan.coding!r}. Simulate it with engine="torch".'
        )
    for layer in plan.all_layers:
        if layer.reset != "subtract" and not layer.plain:
            raise PlanError(
                f'Expected reset="subtract" in layer {layer.name!r}, whose neurons send several spikes a step or take '
                f"some back. Found reset={layer.reset!r}."
            )
