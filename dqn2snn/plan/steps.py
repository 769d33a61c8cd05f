"""The number of time steps of a decision."""

from __future__ import annotations

from numbers import Integral

from dqn2snn.errors import PlanError


def check_num_steps(num_steps: int) -> int:
    """The number of steps itself.

    Raises:
        PlanError: If it is not a positive whole number.
    """
    if isinstance(num_steps, bool) or not isinstance(num_steps, Integral) or num_steps < 1:
        raise PlanError(
            f"Expected a positive whole number of steps. Found num_steps={num_steps!r}. The paper uses 500."
        )
    return int(num_steps)
