"""Plans whose weights have few bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn._utils.progress import progress_bar
from dqn2snn.analysis.hardware._inputs import as_rows, blocks, importance, moments
from dqn2snn.analysis.hardware._rounding import Per, compensated, exponents, nearest
from dqn2snn.errors import ArgumentError, CalibrationError, PlanError
from dqn2snn.plan import PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.grid import regridded
from dqn2snn.recipes.correction import mean_spikes
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["quantize"]

_FEWEST_BITS, _MOST_BITS = 2, 16
_FINEST = 30
"""Largest exponent of a plan in raw numbers."""


@on_host()
def quantize(
    plan: PlanOrNetwork,
    bits: int = 8,
    *,
    per: Per = "channel",
    observations: Observations | None = None,
    samples: int = 4096,
    progress: bool = True,
) -> SpikingPlan:
    """Give every layer weights of few bits with power-of-two scales, as neuromorphic chips hold them.

        W_q = q 2^-e,    |q| <= 2^(bits - 1) - 1 whole,

    with e for each output channel or layer. Where neurons have thresholds of their own, the scale costs nothing:
    weights, bias, threshold and membrane of a neuron can all be multiplied by 2^e. Biases, thresholds and membranes
    keep the plan's grid; `footprint` says how many bits they need.

    With `observations`, rounding is calibrated, which repairs most of what few bits break. Layer by layer, with h the
    spikes of the plan as it was given and h_q those that the quantised layers before really send,

        minimise  var_n ( W h(x_n) - W_q h_q(x_n) ),    b_q = b + mean_n ( W h(x_n) - W_q h_q(x_n) ),

    where the weights are rounded one after the other and those that are left make up for the errors of those that are
    done (GPTQ, Frantar et al. 2023, arXiv 2210.17323).

    Args:
        plan: A plan of any recipe, corrected or not, on a grid or in raw numbers; or its network.
        bits: Bits of a weight, its sign included, 2 to 16. Loihi has up to 9, Speck and Xylo have 8.
        per: "channel" or "layer": what shares an exponent.
        observations: `[N, *input_shape]`, a few hundred or more; None rounds to the nearest.
        samples: Observations that are used, evenly from all of them.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        SpikingPlan: On a grid if the given one was. `report["quantization"]` holds the exponents.

    Raises:
        ArgumentError: If `bits`, `per` or `samples` is out of range.
        CalibrationError: If there are no observations.
        ObservationError: If they have the wrong shape, or hold NaN or infinity.
        PlanError: If the plan codes by latency and observations are given.

    Example:
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> plan = quantize(dqn2snn.convert(net, states, num_steps=16).plan, 4, observations=states)
        >>> layer = plan.layers[0]
        >>> e = torch.tensor(plan.report["quantization"]["exponents"]["0"], dtype=torch.float64)[:, None]
        >>> (layer.affine.weight * 2.0**e).abs().max()
        tensor(7., dtype=torch.float64)
    """
    plan = plan_of(plan)
    check_bits(bits)
    _check(per, samples)
    batch = None if observations is None else _chosen(plan, observations, samples)
    wanted = None if batch is None else [batch, *mean_spikes(plan, batch)]
    made, found = plan, list[Tensor]()
    for index, layer in enumerate(progress_bar(plan.all_layers, label="quantize", progress=progress)):
        exponent = _exponents(plan, index, bits, per)
        if batch is None or wanted is None:
            rounded = _with_rows(layer, nearest(as_rows(layer.affine), exponent, bits))
        else:
            arriving = batch if index == 0 else mean_spikes(made, batch, [index - 1])[0]
            rounded = _fitted(layer, exponent, bits, wanted[index], arriving)
            at_start = plan.coding.once and index > 0
            rounded = _shifted(rounded, _missing(layer, wanted[index], rounded, arriving), at_start=at_start)
        made, found = _with_layer(made, index, rounded), [*found, exponent]
    return _reported(regridded(made) if plan.on_grid else made, bits, per, batch, found)


def check_bits(bits: int) -> int:
    """Refuse a number of bits out of range.

    Raises:
        ArgumentError: If it is not a whole number from 2 to 16.
    """
    whole = isinstance(bits, int) and not isinstance(bits, bool)
    if not whole or not _FEWEST_BITS <= bits <= _MOST_BITS:
        raise ArgumentError(
            f"Expected whole bits of a weight from {_FEWEST_BITS} to {_MOST_BITS}. Found {bits!r}. Most chips have 8."
        )
    return bits


def _check(per: Per, samples: int) -> None:
    if per not in ("channel", "layer") or samples < 1:
        raise ArgumentError(
            f'Expected per="channel" or "layer", and samples of at least 1. Found per={per!r} and samples={samples!r}. '
            "Leave them out, if in doubt."
        )


def _chosen(plan: SpikingPlan, observations: Observations, samples: int) -> Tensor:
    if not plan.coding.counted:
        raise PlanError(
            f"Expected spikes that are counted, to calibrate on. Found {plan.coding} coding. Leave observations out."
        )
    batch = check_observations(observations, plan.input_shape)
    if len(batch) == 0:
        raise CalibrationError(
            "Expected observations to calibrate on. Found none. Collect some with dqn2snn.collect_observations."
        )
    return batch[torch.linspace(0, len(batch) - 1, min(samples, len(batch))).round().long()]


def _exponents(plan: SpikingPlan, index: int, bits: int, per: Per) -> Tensor:
    layer, after = plan.all_layers[index], plan.all_layers[index + 1 :]
    matter = importance(after[0].affine if after else None, layer.shape[0])
    most = _FINEST if layer.weight_bits is None else layer.weight_bits
    return exponents(as_rows(layer.affine), matter, bits, per, most)


def _fitted(
    layer: SpikingLayer, exponent: Tensor, bits: int, before: Tensor, arriving: Tensor
) -> SpikingLayer:
    weight, inputs = as_rows(layer.affine), moments(layer.affine, before, arriving)
    for rows, (square, cross) in zip(blocks(layer.affine), inputs, strict=True):
        weight[rows] = compensated(weight[rows], square, cross, exponent[rows], bits)
    return _with_rows(layer, weight)


def _with_rows(layer: SpikingLayer, rows: Tensor) -> SpikingLayer:
    weight = rows.reshape(layer.affine.weight.shape)
    return replace(layer, affine=layer.affine.with_parameters(weight, layer.affine.bias))


def _missing(layer: SpikingLayer, before: Tensor, rounded: SpikingLayer, arriving: Tensor) -> Tensor:
    """Change of the mean current of each channel, `[C]`."""
    lost = _mean(layer.affine, before) - _mean(rounded.affine, arriving)
    return lost.reshape(len(lost), -1).mean(1)


def _mean(affine: AffineLayer, x: Tensor) -> Tensor:
    # An affine map takes the mean of its inputs to the mean of its outputs.
    return affine(x.double().mean(0, keepdim=True))[0]


def _shifted(layer: SpikingLayer, missing: Tensor, *, at_start: bool) -> SpikingLayer:
    """The layer with the missing current in its bias, which delta coding keeps in the initial membrane."""

    def more(values: Tensor) -> Tensor:
        return values + (missing if values.ndim < 2 else per_channel(missing, layer.shape))

    if at_start:
        return replace(layer, v_init=more(layer.v_init))
    affine = layer.affine
    return replace(layer, affine=affine.with_parameters(affine.weight, more(affine.bias)))


def _with_layer(plan: SpikingPlan, index: int, layer: SpikingLayer) -> SpikingPlan:
    if index == len(plan.layers):
        return replace(plan, output=layer)
    return replace(plan, layers=(*plan.layers[:index], layer, *plan.layers[index + 1 :]))


def _reported(
    plan: SpikingPlan, bits: int, per: Per, batch: Tensor | None, exponents: list[Tensor]
) -> SpikingPlan:
    """The plan with its bits and exponents in the report."""
    # A coarser grid has rounded finer weights once more.
    finest = [_FINEST if layer.weight_bits is None else layer.weight_bits for layer in plan.all_layers]
    note: dict[str, Any] = {
        "bits": bits,
        "per": per,
        "samples": 0 if batch is None else len(batch),
        "exponents": {
            name: [int(e) for e in found.clamp(max=most).flatten().tolist()]
            for name, found, most in zip(plan.layer_names, exponents, finest, strict=True)
        },
    }
    return replace(plan, report={**plan.report, "quantization": note})
