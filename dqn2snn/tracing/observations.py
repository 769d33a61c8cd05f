"""Checking observations before they reach a network."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.errors import ObservationError
from dqn2snn.plan.ops import Shape

Observations = Tensor | NDArray[np.generic]
"""A batch of observations `[B, *observation_shape]`, of any real dtype (uint8 frames stay uint8)."""


def check_observations(observations: Observations, shape: Shape) -> Tensor:
    """Check observations, and return them as a tensor.

    Args:
        observations: Batch `[B, *shape]` of any real dtype.
        shape: Shape of one observation.

    Returns:
        Tensor: The same numbers.

    Raises:
        ObservationError: If they are not numbers, have another shape, or hold NaN or infinity.

    Example:
        >>> check_observations(np.zeros((2, 4), dtype=np.float32), (4,)).shape
        torch.Size([2, 4])
    """
    batch = as_tensor(observations)
    if tuple(batch.shape[1:]) != shape or batch.ndim == 0:
        alone = tuple(batch.shape) == shape
        hint = (
            "Add a batch dimension: observations[None]." if alone else "Pass them as in training, in a batch."
        )
        expected = ", ".join(["B", *map(str, shape)])
        raise ObservationError(
            f"Expected observations of shape [{expected}]. Found {list(batch.shape)}. {hint}"
        )
    if batch.is_complex() or batch.is_meta or batch.layout != torch.strided:
        raise ObservationError(
            f"Expected dense real observations. Found {batch.dtype}, {batch.layout}, on {batch.device}. "
            "Convert them to an array of floats or integers."
        )
    if batch.is_floating_point() and not _is_finite(batch):
        rows = torch.nonzero(~torch.isfinite(batch.flatten(1)).all(1)).flatten()
        raise ObservationError(
            f"Expected finite observations. Found NaN or infinity in {len(rows)} of {len(batch)}, the first at index "
            f"{int(rows[0])}. Remove them, or look at the environment that gave them."
        )
    return batch


def _is_finite(batch: Tensor) -> bool:
    """Whether all numbers are finite, found without a copy: a finite sum, which is cheap, is enough to know."""
    return math.isfinite(batch.sum()) or all(bool(torch.isfinite(bound)) for bound in torch.aminmax(batch))


def as_tensor(observations: Observations) -> Tensor:
    """Make a tensor without history of observations.

    Arrays are copied only where torch cannot share them: read-only, reversed or byte-swapped ones.

    Raises:
        ObservationError: If they are not an array of numbers.
    """
    if isinstance(observations, Tensor):
        return observations.detach()
    try:
        array = np.asarray(observations)
        shared = array.flags.writeable and array.dtype.isnative and min(array.strides, default=0) >= 0
        return torch.as_tensor(
            array if shared else np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        )
    except (TypeError, ValueError) as error:
        raise ObservationError(
            f"Expected a tensor or array of numbers. Found {type(observations).__name__}: "
            f"{str(error).rstrip('.')}. Convert them to an array of floats or integers."
        ) from None
