"""Behaviour of neurons that NIR has no words for."""

from __future__ import annotations

from dqn2snn.plan import PlanOrNetwork, plan_of


def needs(plan: PlanOrNetwork, reset: str = "if") -> tuple[str, ...]:
    """Name the behaviour that the spikes of a plan depend on and that the nodes of its NIR graph do not say.

    Args:
        plan: Any plan, or its network.
        reset: The form of its neurons in the graph, see `to_nir`.

    Returns:
        tuple[str, ...]: Out of "soft reset", "initial membrane", "several spikes a step", "negative spikes", "levels",
        "bias of each step" and "state between decisions"; empty if the graph tells everything. Neurons with a soft
        reset fire at the threshold of their node, not only above it.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = dqn2snn.convert(net, torch.rand(64, 4), recipe="tan2021", num_steps=16).plan
        >>> needs(plan), needs(plan, "composite")
        (('soft reset',), ())
    """
    plan = plan_of(plan)
    layers, simple = plan.layers, reset == "composite"
    found = {
        "soft reset": not simple and any(layer.reset == "subtract" for layer in layers),
        "initial membrane": not simple and any(bool((layer.v_init != 0).any()) for layer in layers),
        "several spikes a step": any(layer.max_spikes > 1 for layer in layers),
        "negative spikes": any(layer.signed for layer in layers),
        "levels": any(layer.max_count is not None for layer in layers),
        "bias of each step": any(layer.step_bias is not None for layer in layers),
        "state between decisions": plan.stateful,
    }
    return tuple(name for name, needed in found.items() if needed)
