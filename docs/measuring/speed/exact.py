"""A first layer that float32 computes exactly.

dqn2snn computes the first current in float64 and rounds it; other libraries compute it in float32 from the
observation. The two differ in the last digit, now and then also in a spike, and no comparison spike by spike would be
possible. So the benchmark puts observations on a grid of 2^-p and the first weights on one of 2^-(g-p): all products
are multiples of 2^-g, their sums are exact in float32, and there is nothing left to round.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.grid import rounded

__all__ = ["exact_in_float32"]

_MAX_INPUT_BITS = 7
_INT16_MAX = 2**15 - 1
_FLOAT32_BITS = 24


def exact_in_float32(plan: SpikingPlan, observations: Tensor) -> tuple[SpikingPlan, Tensor]:
    """The plan and the observations with a first layer that is exact in float32, in any order of summation.

    Args:
        plan: A plan on the grid.
        observations: `[N, *shape]`.

    Returns:
        tuple[SpikingPlan, Tensor]: Both, rounded. Whole numbers, as frames and MinAtar's planes are, stay as they are.

    Raises:
        PlanError: If the plan is not on the grid, or partial sums of the first layer would not fit float32.
    """
    first = plan.layers[0]
    if first.fraction_bits is None:
        raise PlanError('Expected a plan on the grid. Found raw floats. Convert with grid="auto".')
    input_bits = _input_bits(observations)
    exact = rounded(observations.double(), input_bits)
    largest = float(first.affine.weight.abs().max())
    weight_bits = min(first.fraction_bits - input_bits, math.floor(math.log2(_INT16_MAX / largest)))
    affine = first.affine.with_parameters(rounded(first.affine.weight, weight_bits), first.affine.bias)
    reach = affine.with_parameters(affine.weight.abs(), affine.bias.abs())(
        exact.abs().amax(0, keepdim=True)
    ).max()
    if float(reach) * 2.0**first.fraction_bits > 2.0**_FLOAT32_BITS:
        raise PlanError(
            f"Expected first currents below {2.0 ** (_FLOAT32_BITS - first.fraction_bits):g} thresholds, which float32 "
            f"holds on its grid. Found up to {float(reach):.3g}. Use a higher percentile."
        )
    layer = replace(first, affine=affine, weight_bits=weight_bits)
    return replace(plan, layers=(layer, *plan.layers[1:]), input_bits=input_bits), exact.float()


def _input_bits(observations: Tensor) -> int:
    """The fewest fraction bits that hold the observations, or the most that leave weights enough of theirs."""
    for bits in range(_MAX_INPUT_BITS):
        if torch.equal(rounded(observations.double(), bits), observations.double()):
            return bits
    return _MAX_INPUT_BITS
