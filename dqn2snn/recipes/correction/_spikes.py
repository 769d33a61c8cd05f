"""Mean spikes of hidden neurons."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dqn2snn.engine.registry import AUTO, PreparedPlan
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.plan import PlanOrNetwork, plan_of
from dqn2snn.tracing.observations import Observations, check_observations


def mean_spikes(
    plan: PlanOrNetwork, observations: Observations, layers: Sequence[int] | None = None
) -> tuple[Tensor, ...]:
    """Average the spikes of hidden neurons over time, weighted by `Coding.worth`.

    A decision starts from rest. In "delta" coding it takes the steps of the first decision of an episode, after
    which the levels have settled, and spikes are summed.

    Args:
        plan: A plan of any recipe whose spikes are counted, or its network.
        observations: `[N, *input_shape]`, one or more.
        layers: Indices of hidden layers; all by default.

    Returns:
        tuple[Tensor, ...]: `[N, *shape]` float32 of each of these layers.

    Raises:
        ArgumentError: If there is no such layer.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If the plan codes by latency.

    Example:
        >>> import torch
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> states = torch.rand(64, 4)
        >>> [rates.shape for rates in mean_spikes(dqn2snn.convert(net, states, num_steps=4).plan, states)]
        [torch.Size([64, 8])]
    """
    plan = plan_of(plan)
    if not plan.coding.counted:
        raise PlanError(
            f"Expected spikes that are counted. Found {plan.coding} coding, where their times say more. Use record."
        )
    batch, hidden = check_observations(observations, plan.input_shape), range(len(plan.layers))
    wanted = hidden if layers is None else layers
    if not set(wanted) <= set(hidden):
        raise ArgumentError(
            f"Expected hidden layers out of 0 to {len(hidden) - 1}. Found {list(wanted)}. Leave layers out for all."
        )
    return PreparedPlan(plan, batch.device).simulation(AUTO).values(batch, wanted)
