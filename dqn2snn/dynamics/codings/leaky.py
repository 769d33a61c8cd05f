"""Rate coding with leaky neurons: all charge is forgotten at one rate, so that what counts is the recent past.

With a soft reset a leaky neuron conserves exponentially weighted charge, sum_t beta^(T-t) (I_t - theta s_t) = V(T) - r,
as an integrate-and-fire neuron conserves the plain sum.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from dqn2snn.dynamics.codings.rate import RateCoding
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.coding import Coding
from dqn2snn.plan.graph import per_channel


class LeakyCoding(RateCoding):
    """Exponentially weighted spikes per step stand for activations.

    Example:
        >>> CODING.drive(torch.tensor([0.5]), torch.tensor([0.25]))
        (tensor([0.5000]), tensor([0.5000]))
    """

    name = "leaky"
    readouts = ("rate",)
    counted = False

    def check(self, plan: SpikingPlan) -> None:
        """Refuse a plan that makes no sense in this coding.

        Raises:
            PlanError: If its layers do not leak by one beta below 1, or the output neurons may fire.
        """
        Coding.check(self, plan)
        betas = {layer.beta for layer in plan.all_layers}
        if len(betas) > 1 or max(betas) >= 1 or plan.output.duration != 0:
            raise PlanError(
                f"Expected layers of one beta below 1, and output neurons of duration 0, in leaky coding. Found beta "
                f"{sorted(betas)} and duration={plan.output.duration}. Use the recipe leaky."
            )

    def worth(self, plan: SpikingPlan) -> Tensor:
        """`beta^(T-1-t)` at step t, as a share of the sum over all steps."""
        weights = plan.output.beta ** torch.arange(plan.num_steps, dtype=torch.float64).flip(0)
        return weights / weights.sum()

    def decode(self, plan: SpikingPlan, charge: Tensor) -> Tensor:
        """`readout_scale` times the weighted mean charge in thresholds, averaged over the last half of the steps."""
        theta = per_channel(plan.output.threshold, plan.output.shape).to(charge)
        steps = torch.arange(len(charge), device=charge.device)
        kernel = (plan.output.beta ** steps.to(charge)).cumsum(0).reshape(-1, 1, 1)
        return self.read(plan, plan.readout_scale * (charge / (theta * kernel)))

    def read(self, plan: SpikingPlan, q: Tensor) -> Tensor:
        """Averages over the last half of the steps so far."""
        total = torch.cat([torch.zeros_like(q[:1]), q.cumsum(0)])
        steps = torch.arange(len(q), device=q.device)
        first = steps // 2
        return (total[1:] - total[first]) / (steps + 1 - first).reshape(-1, 1, 1)

    def looks_back(self, plan: SpikingPlan) -> bool:
        """Always."""
        return True

    def decode_counts(self, plan: SpikingPlan, counts: Tensor) -> None:
        """None: the output neurons integrate only."""


CODING: Final = LeakyCoding()
