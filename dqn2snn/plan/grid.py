"""Fixed-point grids on which float32 sums are exact in any order.

Let weights, biases, thresholds and membranes be multiples of 2^-g. A float32 number carries 24 bits, so as
long as every partial sum stays below 2^(24-g), no addition rounds: the order of summation, the batch size,
the number of threads and the library make no difference, and every backend gives the same spikes as float64.

The bound, `Coding.largest_membrane`, is a proof, not a measurement. After T steps the membrane of neuron j lies within

    |v_j| <= |v_init| + T max( sum_i max(W_ji, 0) + max(b_j, 0),  sum_i max(-W_ji, 0) + max(-b_j, 0) ),

whatever spikes arrive, and so does every partial sum. Where neurons send up to k spikes a step, or L altogether, that
many take the place of T; where they take spikes back, what has come in and what has been sent may be of any sign when
they meet, and the sum over `|W_ji|` takes the place of the larger of its two parts, with k more spikes for those that
are on their way. The finest grid that satisfies it is chosen for each layer, at most 2^-14 of the threshold, with
weights that fit int16, or 24 bits where membranes grow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import Coding, PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.graph import AffineLayer, per_channel
from dqn2snn.plan.membranes import reach_of

__all__ = ["on_grid"]

MAX_FRACTION_BITS = 14
"""With a threshold of one, membranes of the first layer, below two thresholds, then fit int16 as well."""

_FLOAT32_BITS = 24
_FLOAT64_BITS = 53
_INPUT_BITS = 20
_MIN_WEIGHT_LEVELS = 16


def rounded(values: Tensor, bits: int) -> Tensor:
    """The nearest multiples of 2^-bits, ties to even.

    Example:
        >>> rounded(torch.tensor([0.3, -0.26]), 2)
        tensor([ 0.2500, -0.2500])
    """
    return torch.round(values * 2.0**bits) * 2.0**-bits


def on_grid(plan: PlanOrNetwork, grid: int | str, observation_magnitude: float) -> SpikingPlan:
    """The plan with every number on a grid.

    Args:
        plan: A plan in raw numbers, or its network.
        grid: "auto" for the finest grid of each layer, or the fraction bits of all of them.
        observation_magnitude: Largest absolute number in an observation; what is larger is still correct,
            but no longer exact to the last bit in any order.

    Returns:
        SpikingPlan: A new plan. Its weights differ from the given ones by at most half a grid step.

    Raises:
        ArgumentError: If `grid` is neither "auto" nor a whole number of bits from 1 to 14.
        PlanError: If a number is not finite; if no grid holds the membranes of `plan.num_steps` steps and leaves the
            weights enough levels, or the given one does not; or if the first layer's initial membranes are not
            in [0, threshold), where a constant current could not be clamped.
    """
    plan = plan_of(plan)
    choices = _choices(grid)
    return _on_grids(plan, [choices] * len(plan.all_layers), observation_magnitude or 1.0)


def regridded(plan: PlanOrNetwork) -> SpikingPlan:
    """A plan on a grid whose numbers have been changed, on its grid again.

    Args:
        plan: A plan that was on a grid, or its network; `input_bits` and `fraction_bits` say on which.

    Returns:
        SpikingPlan: A new plan. Layers whose membranes have grown may need a coarser grid.

    Raises:
        PlanError: As of `on_grid`, and if the plan was not on a grid.
    """
    plan = plan_of(plan)
    bits = [layer.fraction_bits for layer in plan.all_layers]
    finest = [each for each in bits if each is not None]
    if plan.input_bits is None or len(finest) < len(bits):
        raise PlanError("Expected a plan that was on a grid. Found one in raw numbers. Use on_grid.")
    return _on_grids(plan, [range(each, 0, -1) for each in finest], 2.0 ** (_INPUT_BITS - plan.input_bits))


def _on_grids(plan: SpikingPlan, choices: Sequence[range], largest_input: float) -> SpikingPlan:
    """The plan on the finest grid of each layer's choices."""
    _check_finite(plan)
    input_bits = _INPUT_BITS - math.ceil(math.log2(largest_input))
    first = _first_on_grid(plan.layers[0], max(choices[0]), input_bits, largest_input)
    others = [
        _layer_on_grid(layer, before, plan.num_steps, each, plan.coding)
        for before, layer, each in zip(plan.layers, plan.all_layers[1:], choices[1:], strict=True)
    ]
    return replace(plan, layers=(first, *others[:-1]), output=others[-1], input_bits=input_bits)


def _check_finite(plan: SpikingPlan) -> None:
    for layer in plan.all_layers:
        if not bool(torch.isfinite(layer.affine.weight).all() and torch.isfinite(layer.affine.bias).all()):
            raise PlanError(
                f"Expected finite weights and biases of layer {layer.name!r}. Found others: its activations are "
                "too small or too large to be a unit. Scale the observations as they were in training."
            )


def _choices(grid: int | str) -> range:
    if grid == "auto":
        return range(MAX_FRACTION_BITS, 0, -1)
    if isinstance(grid, bool) or not isinstance(grid, int) or not 1 <= grid <= MAX_FRACTION_BITS:
        raise ArgumentError(
            f'Expected grid="auto", None, or a number of fraction bits from 1 to {MAX_FRACTION_BITS}. Found {grid!r}. '
            'If in doubt, use "auto".'
        )
    return range(grid, grid - 1, -1)


def _first_on_grid(layer: SpikingLayer, bits: int, input_bits: int, largest_input: float) -> SpikingLayer:
    """The first layer: its current is rounded once, so its weights have a grid of their own.

    The current before rounding is a sum of multiples of 2^-(weight_bits + input_bits); float64 holds it exactly.
    """
    affine = layer.affine
    reach = float(
        _magnitude(affine)(torch.full((1, *affine.in_shape), largest_input, dtype=torch.float64)).max()
    )
    largest = max(float(affine.weight.abs().max()), 2.0**-100)
    weight_bits = min(
        math.floor(math.log2(layer.largest_weight / largest)),
        _FLOAT64_BITS - 1 - input_bits - math.ceil(math.log2(max(reach, 2.0**-100))),
    )
    affine = affine.with_parameters(rounded(affine.weight, weight_bits), rounded(affine.bias, bits))
    placed = _placed(layer, None, affine, bits, weight_bits)
    start = per_channel(placed.v_init, layer.shape)
    if not bool(((start >= 0) & (start < per_channel(placed.threshold, layer.shape))).all()):
        raise PlanError(
            f"Expected initial membranes of the first layer {layer.name!r} in [0, threshold), where a clamped current "
            "gives the same spikes. Found others. Use grid=None for raw floats."
        )
    if float(affine.bias.abs().max()) > 2.0 ** (_FLOAT32_BITS - bits):
        raise PlanError(
            f"Expected biases of the first layer {layer.name!r} that fit float32 on a grid of 2^-{bits}. Found one of "
            f"{float(affine.bias.abs().max()):.3g} thresholds. Use a higher percentile, or grid=None for raw floats."
        )
    return placed


def _magnitude(affine: AffineLayer) -> AffineLayer:
    """An affine layer in which nothing cancels: the absolute values of its numbers."""
    return affine.with_parameters(affine.weight.abs(), affine.bias.abs())


def _layer_on_grid(
    layer: SpikingLayer, before: SpikingLayer, num_steps: int, choices: range, coding: Coding
) -> SpikingLayer:
    """The finest of `choices` on which the layer is exact, given the one that sends it spikes."""
    for bits in choices:
        affine = layer.affine.with_parameters(
            rounded(layer.affine.weight, bits), rounded(layer.affine.bias, bits)
        )
        placed = _placed(layer, before, affine, bits, bits)
        if _exact(placed, before, num_steps, bits, coding):
            _check_levels(layer, bits, num_steps)
            return placed
    tried, remedy = (
        (f"on a grid of 2^-{choices[0]}", "a coarser grid, ") if len(choices) == 1 else ("on some grid", "")
    )
    raise PlanError(
        f"Expected weights and membranes of layer {layer.name!r} to be exact over {num_steps} steps {tried}. "
        f"Found that they leave int16 or the 24 bits of float32. Use fewer steps, {remedy}or grid=None for raw floats."
    )


def _placed(
    layer: SpikingLayer, before: SpikingLayer | None, affine: AffineLayer, bits: int, weight_bits: int
) -> SpikingLayer:
    threshold = rounded(layer.threshold, bits)
    if not bool((threshold > 0).all()):
        raise PlanError(
            f"Expected thresholds of layer {layer.name!r} of at least one step of its grid, 2^-{bits}. Found "
            f"{float(layer.threshold.min()):.3g}. Scale the layer so that they are about one, or use grid=None."
        )
    placed = replace(
        layer,
        affine=affine,
        threshold=threshold,
        v_init=rounded(layer.v_init, bits),
        fraction_bits=bits,
        weight_bits=weight_bits,
        step_bias=None if layer.step_bias is None else rounded(layer.step_bias, bits),
        reach=None,
    )
    if layer.beta <= 1 or layer.duration == 0:
        return placed
    return replace(placed, reach=math.ceil(reach_of(placed, before) * 2.0**bits) * 2.0**-bits)


def _exact(layer: SpikingLayer, before: SpikingLayer, num_steps: int, bits: int, coding: Coding) -> bool:
    if num_steps >= 2**_FLOAT32_BITS:
        return False
    largest_weight = float(layer.affine.weight.abs().max())
    bound = coding.largest_membrane(layer, before, num_steps)
    return largest_weight * 2**bits <= layer.largest_weight and bound <= 2.0 ** (_FLOAT32_BITS - bits)


def _check_levels(layer: SpikingLayer, bits: int, num_steps: int) -> None:
    largest = float(layer.affine.weight.abs().max())
    if 0 < largest * 2**bits < _MIN_WEIGHT_LEVELS:
        remedy = "" if bits == MAX_FRACTION_BITS else "fewer steps, or "
        raise PlanError(
            f"Expected a grid that leaves the weights of layer {layer.name!r} at least {_MIN_WEIGHT_LEVELS} levels. "
            f"Found 2^-{bits}, the finest that is exact over {num_steps} steps, for weights up to {largest:.3g}. "
            f"Use {remedy}grid=None for raw floats."
        )
