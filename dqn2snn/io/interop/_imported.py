"""Making what other libraries read from NIR fire the spikes of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn._utils.extras import require
from dqn2snn._utils.host import on_host
from dqn2snn.dynamics.encode import constant_current
from dqn2snn.errors import PlanError
from dqn2snn.io.interop._needs import needs
from dqn2snn.plan import PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.graph import per_channel

_SUPPLIED = {"soft reset", "initial membrane"}
"""The needs that the helpers here supply, out of all that `needs` may name."""


@on_host()
def unit_thresholds(plan: PlanOrNetwork) -> SpikingPlan:
    """The plan with all thresholds one, for readers that know a single threshold.

    Weights, biases and initial membranes of each neuron are divided by its threshold, which changes no spike. Where
    thresholds are powers of two, as those of "rate" and "rate_if" are, no digit is lost either.

    Args:
        plan: A plan of any recipe, or its network.

    Returns:
        SpikingPlan: In raw numbers, to be exported; for simulation, the plan as it was is the better one.

    Raises:
        PlanError: If a threshold is no power of two.

    Example:
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = dqn2snn.convert(net, torch.rand(64, 4), recipe="rate_if", num_steps=16).plan
        >>> {float(layer.threshold.max()) for layer in unit_thresholds(plan).layers}
        {1.0}
    """
    plan = plan_of(plan)
    layers = tuple(_with_unit(layer) for layer in plan.layers)
    output = replace(plan.output, fraction_bits=None, weight_bits=None)
    return replace(plan, layers=layers, output=output, input_bits=None)


def exact_sinabs(model: nn.Module, plan: PlanOrNetwork, batch_size: int) -> nn.Module:
    """Prepare a model that Sinabs has read for one decision of a batch, with the spikes of the plan.

    Sinabs reads `nir.IF` with soft resets, but its neurons send several spikes a step and stop at minus one threshold.
    This makes them send one (`sinabs.activation.SingleSpike`) and lifts the stop, sets the membranes to the plan's
    initial ones, and computes the first layer's current as the plan rounds it.

    Args:
        model: `sinabs.nir.from_nir(to_nir(plan), batch_size=...)`.
        plan: The plan that was exported, or its network.
        batch_size: B.

    Returns:
        nn.Module: The model itself. Call this before each decision: it begins with fresh membranes.

    Raises:
        MissingExtraError: If Sinabs is not installed.
        PlanError: If the plan needs more than a soft reset and initial membranes, or is not the model's.
    """
    plan = plan_of(plan)
    layers = require("sinabs.layers", extra="importers")
    activation = require("sinabs.activation", extra="importers")
    neurons = [module for module in model.modules() if isinstance(module, layers.IAF)]
    for neuron, start in zip(neurons, _starts(plan, len(neurons), batch_size), strict=True):
        neuron.spike_fn, neuron.min_v_mem = activation.SingleSpike, None
        neuron.v_mem = start
    _present(model, plan)
    return model


def exact_spikingjelly(model: nn.Module, plan: PlanOrNetwork, batch_size: int) -> nn.Module:
    """Prepare a model that SpikingJelly has read for one decision of a batch, with the spikes of the plan.

    SpikingJelly reads `nir.IF` with hard resets, if all thresholds of a layer are one number. This makes the resets
    soft (`v_reset=None`), sets the membranes to the plan's initial ones, and computes the first layer's current as the
    plan rounds it.

    Args:
        model: `nir_exchange.import_from_nir(to_nir(unit_thresholds(plan)), dt=1.0)`.
        plan: The plan before `unit_thresholds`, or its network.
        batch_size: B.

    Returns:
        nn.Module: The model itself. Call this before each decision: it begins with fresh membranes.

    Raises:
        MissingExtraError: If SpikingJelly is not installed.
        PlanError: As of `exact_sinabs`, and if thresholds are no powers of two.
    """
    plan = plan_of(plan)
    neuron = require("spikingjelly.activation_based.neuron", extra="importers")
    neurons = [module for module in model.modules() if isinstance(module, neuron.IFNode)]
    unit = unit_thresholds(plan)
    for module, start in zip(neurons, _starts(unit, len(neurons), batch_size), strict=True):
        module.v_reset, module.v = None, start
    _present(model, plan, unit=True)
    return model


def _with_unit(layer: SpikingLayer) -> SpikingLayer:
    mantissa, _ = torch.frexp(layer.threshold)
    if not bool((mantissa == 0.5).all()):
        raise PlanError(
            f"Expected thresholds of layer {layer.name!r} that are powers of two, by which numbers can be divided "
            f"exactly. Found others, such as {float(layer.threshold.flatten()[0]):.4g}. Use the recipe rate_if."
        )
    affine, shape = layer.affine, layer.shape
    per_row = layer.threshold.reshape(-1, *(1 for _ in affine.weight.shape[1:]))
    wide = layer.threshold if affine.bias.ndim < 2 else per_channel(layer.threshold, shape)
    start = layer.threshold if layer.v_init.ndim < 2 else per_channel(layer.threshold, shape)
    step_bias = layer.step_bias
    return replace(
        layer,
        affine=affine.with_parameters(affine.weight / per_row, affine.bias / wide),
        threshold=torch.ones_like(layer.threshold),
        v_init=layer.v_init / start,
        step_bias=None if step_bias is None else step_bias / layer.threshold,
        fraction_bits=None,
        weight_bits=None,
    )


def _starts(plan: SpikingPlan, neurons: int, batch_size: int) -> list[Tensor]:
    """The initial membranes of a batch, layer by layer."""
    beyond = set(needs(plan)) - _SUPPLIED
    beyond |= {"hard resets" for layer in plan.layers if layer.reset == "zero"}
    if beyond:
        raise PlanError(
            f"Expected a plan that needs soft resets and initial membranes at most. Found that it needs "
            f"{', '.join(sorted(beyond))}. Use the recipe rate_if or tan2021."
        )
    if neurons != len(plan.layers):
        raise PlanError(
            f"Expected a model with {len(plan.layers)} layers of neurons, the plan's. Found {neurons}. "
            "Pass the plan that was exported."
        )
    return [
        per_channel(layer.v_init, layer.shape).float().expand(batch_size, *layer.shape).clone()
        for layer in plan.layers
    ]


def _present(model: nn.Module, plan: SpikingPlan, *, unit: bool = False) -> None:
    """Let the first synapses give the current that the plan presents."""
    first = next(module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    scale = per_channel(plan.layers[0].threshold, plan.layers[0].shape) if unit else torch.ones(())

    def present(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return (constant_current(plan, inputs[0].detach()) / scale).to(output)

    previous = getattr(model, "_dqn2snn_present", None)
    if previous is not None:
        previous.remove()
    model._dqn2snn_present = first.register_forward_hook(present)  # type: ignore[assignment]
