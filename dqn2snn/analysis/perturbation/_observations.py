"""Perturbations of observations: pure functions of a tensor and a stream of random numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn2snn.errors import ArgumentError, ObservationError

BAR_ROWS = 3
"""Height of the bar of Patel et al. (2019)."""


def bar(observations: Tensor, row: int, *, rows: int = BAR_ROWS, low: float = 0.0) -> Tensor:
    """Cover some rows of every image.

    Args:
        observations: Images ``[..., H, W]``; all channels, the frames of a stack, are covered alike.
        row: The first row that is covered, 0 at the top.
        rows: Height of the bar; what is below the image is cut off.
        low: Value of the bar.

    Returns:
        Tensor: A new tensor of the same shape.

    Raises:
        ArgumentError: If observations are no images, or the bar is beside them.
        ObservationError: If they are no tensor, or hold NaN or infinity.

    Example:
        >>> bar(torch.ones(1, 4, 2), row=1, rows=2)[0, :, 0]
        tensor([1., 0., 0., 1.])
    """
    _check_observations(observations, floating=False)
    if observations.ndim < 3:
        raise ArgumentError(
            f"Expected images [..., H, W] to cover with a bar. Found shape {tuple(observations.shape)}. "
            "Use gaussian for observations that are no images."
        )
    height = observations.shape[-2]
    if not 0 <= row < height or rows < 1:
        raise ArgumentError(
            f"Expected a bar of one row or more that begins in a row from 0 to {height - 1}. Found {rows} rows from "
            f"row {row}. Choose one of the image."
        )
    covered = observations.clone()
    covered[..., row : row + rows, :] = low
    return covered


def gaussian(
    observations: Tensor,
    sigma: float,
    *,
    low: float,
    high: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Add Gaussian noise: ``clip(x + sigma (high - low) n, low, high)`` with ``n`` of the standard normal distribution.

    Args:
        observations: ``[...]``, floating point, in ``[low, high]``.
        sigma: Standard deviation as a share of the range.
        low: Lowest value of an observation.
        high: Highest value.
        generator: Stream of random numbers; None for torch's own.

    Returns:
        Tensor: A new tensor of the same shape.

    Raises:
        ArgumentError: If sigma is negative, or there is no range.
        ObservationError: If observations are no tensor of floating point, or hold NaN or infinity.

    Example:
        >>> noisy = gaussian(torch.full((1000,), 0.5), 0.1, low=0.0, high=1.0, generator=torch.manual_seed(0))
        >>> round(noisy.std().item(), 2)
        0.1
    """
    _check_observations(observations)
    _check_range(low, high)
    check_sigma(sigma)
    noise = torch.randn(observations.shape, generator=generator, dtype=observations.dtype)
    return (observations + sigma * (high - low) * noise).clamp_(low, high)


def salt_and_pepper(
    observations: Tensor,
    share: float,
    *,
    low: float,
    high: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Replace some numbers by the lowest or the highest that there is, each with the same probability.

    Args:
        observations: ``[...]``, floating point, in ``[low, high]``.
        share: Probability that a number is replaced.
        low: Lowest value of an observation.
        high: Highest value.
        generator: Stream of random numbers; None for torch's own.

    Returns:
        Tensor: A new tensor of the same shape.

    Raises:
        ArgumentError: If share is no probability, or there is no range.
        ObservationError: If observations are no tensor of floating point, or hold NaN or infinity.

    Example:
        >>> spoilt = salt_and_pepper(torch.full((1000,), 0.5), 0.2, low=0, high=1, generator=torch.manual_seed(0))
        >>> 150 < int((spoilt != 0.5).sum()) < 250
        True
    """
    _check_observations(observations)
    _check_range(low, high)
    if not 0 <= share <= 1:
        raise ArgumentError(f"Expected a share from 0 to 1. Found {share}. A twentieth is 0.05.")
    chance = torch.rand(observations.shape, generator=generator, dtype=observations.dtype)
    spoilt = torch.where(chance < share / 2, low, observations)
    return torch.where(chance >= 1 - share / 2, high, spoilt)


def check_sigma(sigma: float) -> None:
    """Refuse what is no standard deviation.

    Raises:
        ArgumentError: If it is negative, infinite or NaN.
    """
    if not 0 <= sigma < float("inf"):
        raise ArgumentError(f"Expected a standard deviation of 0 or more. Found {sigma}. A tenth is 0.1.")


def _check_observations(observations: Tensor, *, floating: bool = True) -> None:
    if not isinstance(observations, Tensor) or (floating and not observations.is_floating_point()):
        found = getattr(observations, "dtype", type(observations).__name__)
        raise ObservationError(
            f"Expected a tensor of floating point. Found {found}. Pass torch.as_tensor(observations).float()."
        )
    if not bool(observations.isfinite().all()):
        raise ObservationError(
            "Expected finite observations. Found NaN or infinity. Look at their environment."
        )


def _check_range(low: float, high: float) -> None:
    if not -float("inf") < low < high < float("inf"):
        raise ArgumentError(
            f"Expected observations between two finite numbers. Found the range from {low} to {high}. "
            "Noise is a share of this range: scale observations of an environment that has none."
        )
