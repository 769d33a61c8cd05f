"""A plan as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dqn2snn.plan import SpikingPlan


def describe_plan(plan: SpikingPlan) -> dict[str, Any]:
    """The content of `plan.summary()` as plain data.

    Args:
        plan: The plan.

    Returns:
        dict[str, Any]: Finite numbers, strings, lists and dictionaries.
    """
    return {
        "recipe": plan.recipe,
        "reference": plan.reference,
        "num_steps": plan.num_steps,
        "observation_shape": list(plan.input_shape),
        "num_actions": plan.num_actions,
        "readout_scale": plan.readout_scale,
        "input_bits": plan.input_bits,
        "dqn_macs": plan.dqn_macs,
        "calibration": dict(plan.report),
        "layers": [
            {
                "name": layer.name,
                "shape": list(layer.shape),
                "neurons": layer.affine.neurons,
                "weights": layer.affine.weight.numel(),
                "reset": layer.reset,
                "threshold": layer.threshold.mean().item(),
                "fraction_bits": layer.fraction_bits,
                "weight_bits": layer.weight_bits,
            }
            for layer in plan.all_layers
        ],
    }
