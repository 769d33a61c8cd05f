"""Rate coding: how often spikes come, under an observation that is presented at every step.

A value is spikes per step, a spike of any step stands for 1 / T of it, and each decision begins anew, but for what
`carry` keeps of the membranes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor

from dqn2snn.dynamics.readout.slope import rate_slope
from dqn2snn.dynamics.state import at_rest
from dqn2snn.errors import PlanError
from dqn2snn.plan import ReadoutKind, SpikingLayer, SpikingPlan
from dqn2snn.plan.coding import Coding
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.state import NetworkState, NeuronState


class RateCoding(Coding):
    """Spikes per step stand for activations (Tan et al., AAAI 2021, arXiv 2009.14456).

    Example:
        >>> CODING.drive(torch.tensor([0.5]), torch.tensor([0.25]))
        (tensor([0.5000]), tensor([0.5000]))
    """

    name = "rate"
    readouts: ClassVar[tuple[ReadoutKind, ...]] = ("rate", "slope")
    compiled: ClassVar[Mapping[str, object] | None] = {"delta": False}

    def check(self, plan: SpikingPlan) -> None:
        """Refuse a plan that makes no sense in this coding.

        Raises:
            PlanError: If its readout is unknown, or what it carries over is no multiple of 1/16 up to 1.
        """
        if plan.readout not in self.readouts:
            raise PlanError(f'Expected readout="rate" or "slope". Found {plan.readout!r}. Leave it as it is.')
        if not 0 <= plan.carry <= 1 or plan.carry * 16 % 1:
            raise PlanError(
                "Expected a carry that is a multiple of 1/16 from 0 to 1, and 0 but in rate coding. Found "
                f"{plan.carry!r} in rate coding. Use 0.5, say."
            )

    def remembers(self, plan: SpikingPlan) -> bool:
        """Whether a part of the membranes is carried over."""
        return plan.carry != 0

    def drive(self, current: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """The current itself, at every step."""
        return current, current

    def worth(self, plan: SpikingPlan) -> Tensor:
        """How much a spike at each step counts in the readout, `[T]`; sums to one.

        The mean rate counts all alike, 1 / T. The slope of the charge, sum_t t C(t) / sum_t t^2, counts an early
        spike, which is in every later C(t), for more: w_s = sum_{t >= s} t / sum_t t^2.

        Example:
            >>> import dqn2snn
            >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
            >>> CODING.worth(dqn2snn.convert(net, torch.rand(64, 4), recipe="tan2021", num_steps=4).plan)
            tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
        """
        steps = torch.arange(1, plan.num_steps + 1, dtype=torch.float64)
        if plan.readout == "slope":
            return steps.flip(0).cumsum(0).flip(0) / (steps * steps).sum()
        return torch.full_like(steps, 1 / plan.num_steps)

    def quanta(self, num_steps: int) -> int:
        """As many as there are steps."""
        return num_steps

    def decode(self, plan: SpikingPlan, charge: Tensor) -> Tensor:
        """`readout_scale` times the mean charge per step and threshold (Tan et al. 2021), or times its slope."""
        theta = per_channel(plan.output.threshold, plan.output.shape).to(charge)
        return self.read(plan, plan.readout_scale * (charge / (steps_of(charge) * theta)))

    def decode_counts(self, plan: SpikingPlan, counts: Tensor) -> Tensor | None:
        """Q-values of the spikes' part of the charge."""
        return self.read(plan, plan.readout_scale * (counts / steps_of(counts)))

    def read(self, plan: SpikingPlan, q: Tensor) -> Tensor:
        """The slope of the charge where it is the plan's readout."""
        return rate_slope(q) if self.looks_back(plan) else q

    def looks_back(self, plan: SpikingPlan) -> bool:
        """Whether it is the slope."""
        return plan.readout == "slope"

    def between(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """Neurons begin anew, but that the fraction alpha = `plan.carry` of what was left in a membrane stays in it.

        After Xu et al. 2026, arXiv 2601.21778. With r = v(T) - v_init, at least -theta N(T), as N(T) spikes cannot have
        been more wrong than that,

            v(0) = v_init + clip(alpha r, -theta / 2, theta / 2),

        within [0, theta) and on the plan's grid; alpha is a multiple of 1/16, which keeps that exact.
        """
        rest = at_rest(plan, len(state.current))
        if not plan.carry:
            return rest
        hidden = tuple(
            NeuronState(_carried(layer, old, plan.carry), new.count)
            for layer, old, new in zip(plan.layers, state.layers, rest.layers, strict=False)
        )
        return NetworkState((*hidden, rest.layers[-1]), rest.current)


def steps_of(values: Tensor) -> Tensor:
    """1 to T, to divide `[T, B, A]` by."""
    return torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device).reshape(-1, 1, 1)


def _carried(layer: SpikingLayer, state: NeuronState, carry: float) -> Tensor:
    # Clipped before it is multiplied, so that float32 holds the product with a multiple of 1/16 exactly.
    theta = layer.threshold
    left = torch.maximum(state.membrane - layer.v_init, -theta * state.count)
    change = carry * torch.minimum(torch.maximum(left, -8 * theta), 8 * theta)
    change = torch.minimum(torch.maximum(change, -theta / 2), theta / 2)
    if layer.fraction_bits is None:
        return (layer.v_init + change).clamp(min=0)
    step = 2.0**-layer.fraction_bits
    changed = (layer.v_init + torch.floor(change / step) * step).clamp(min=0)
    return torch.minimum(changed, theta - step)


CODING: Final = RateCoding()
