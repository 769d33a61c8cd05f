"""Student's t quantile in closed form, so that a confidence interval needs no SciPy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from dqn2snn.errors import ArgumentError

# Up to here the closed form is summed; beyond, the expansion in 1/degrees is exact to 1e-10.
_LAST_EXACT_DEGREES = 300


def check_level(level: float) -> float:
    """Refuse a confidence level that is not a probability.

    Args:
        level: The confidence level.

    Returns:
        The level.

    Raises:
        ArgumentError: If it is not inside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ArgumentError(f"Expected a confidence level inside (0, 1). Found {level}. Write 95 % as 0.95.")
    return level


def normal_quantile(level: float) -> float:
    """The z with P(abs(Z) <= z) = level for a standard normal Z.

    Args:
        level: Two-sided probability inside (0, 1).

    Returns:
        The quantile, 1.96 at 0.95.

    Example:
        >>> round(normal_quantile(0.95), 3)
        1.96
    """
    return NormalDist().inv_cdf((1.0 + check_level(level)) / 2.0)


@lru_cache(maxsize=256)
def student_t_quantile(level: float, degrees: int) -> float:
    """The t with P(abs(X) <= t) = level for Student's X with a whole number of degrees of freedom.

    With t = sqrt(degrees) tan(angle) the two-sided probability is a finite sum of powers of cos(angle)
    (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4), solved by bisection. For many degrees of freedom it
    is Fisher's expansion about the normal quantile (26.7.5).

    Args:
        level: Two-sided probability inside (0, 1).
        degrees: Degrees of freedom; 0 gives infinity, since one value says nothing about the spread.

    Returns:
        The quantile, exact to about 1e-10 relative for levels up to 0.999.

    Raises:
        ArgumentError: If `degrees` is negative.

    Example:
        >>> round(student_t_quantile(0.95, 9), 3)
        2.262
    """
    check_level(level)
    if degrees < 0:
        raise ArgumentError(f"Expected degrees of freedom of 0 or more. Found {degrees}. Pass more values.")
    if degrees == 0:
        return math.inf
    if degrees > _LAST_EXACT_DEGREES:
        return _fisher_expansion(normal_quantile(level), degrees)
    low, high = 0.0, math.pi / 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _central_probability(middle, degrees) < level else (low, middle)
    return math.sqrt(degrees) * math.tan((low + high) / 2.0)


def _central_probability(angle: float, degrees: int) -> float:
    odd = degrees % 2 == 1
    term = math.cos(angle) if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for power in range(3 if odd else 2, degrees - 1, 2):
        term *= math.cos(angle) ** 2 * (power - 1) / power
        total += term
    partial = math.sin(angle) * total
    return 2.0 / math.pi * (angle + partial) if odd else partial


def _fisher_expansion(z: float, degrees: int) -> float:
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / float(degrees) ** order for order, term in enumerate(terms))
