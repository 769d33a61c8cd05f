"""Digit coding: a spike at step t stands for beta^-t, as a digit of a number does.

Membranes and the charge of the output grow by beta each step, so that T steps carry T log2(beta) bits. Observation and
biases are currents of the first step only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor

from dqn2snn.dynamics.state import at_rest
from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.coding import Coding
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.state import NetworkState

_MOST_BITS = 120
"""Bits of a number that float32 does not overflow at."""


class DigitCoding(Coding):
    """Early spikes stand for more (Zhang et al. 2018, arXiv 1811.04233; Kim et al. 2018; Stoeckl and Maass 2021).

    Example:
        >>> CODING.drive(torch.tensor([0.5]), torch.tensor([0.25]))
        (tensor([0.5000]), tensor([0.]))
    """

    name = "digits"
    onset = True
    counted = False
    compiled: ClassVar[Mapping[str, object] | None] = {"delta": False}

    def check(self, plan: SpikingPlan) -> None:
        """Refuse a plan that makes no sense in this coding.

        Raises:
            PlanError: If its layers do not grow by one beta above 1, if neurons send too few spikes to spell every
                number, if delays shrink or leave no step, or if the output neurons may fire.
        """
        super().check(plan)
        betas = {layer.beta for layer in plan.all_layers}
        beta, k = max(betas), min(layer.max_spikes for layer in plan.layers)
        if len(betas) > 1 or beta <= 1 or plan.output.duration != 0:
            raise PlanError(
                f"Expected layers of one beta above 1, and output neurons of duration 0, in digits coding. Found beta "
                f"{sorted(betas)} and duration={plan.output.duration}. Use the recipe digits."
            )
        if k < beta - 1:
            raise PlanError(
                f"Expected max_spikes of at least beta - 1, with which every number can be spelt. Found {k} and "
                f"beta={beta:g}. Use max_spikes={math.ceil(beta - 1)}."
            )
        most = 1 + int(_MOST_BITS / math.log2(beta))
        if plan.num_steps > most:
            raise PlanError(
                f"Expected at most {most} steps of base {beta:g}, beyond which floats hold no more digits. Found "
                f"{plan.num_steps}. Use 10."
            )
        delays = [layer.delay for layer in plan.layers]
        if delays != sorted(delays) or delays[-1] >= plan.num_steps:
            raise PlanError(
                f"Expected delays that do not shrink from layer to layer, and are less than the {plan.num_steps} "
                f"steps. Found {delays}. Use more steps, or smaller delays."
            )

    def drive(self, current: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """The current itself at the first step, and nothing after."""
        return current, torch.zeros_like(current)

    def worth(self, plan: SpikingPlan) -> Tensor:
        """`beta^-t` at step t."""
        return plan.output.beta ** -torch.arange(plan.num_steps, dtype=torch.float64)

    def quanta(self, num_steps: int) -> int:
        """One: a spike of the first step stands for a value of one."""
        return 1

    def ceiling(self, layer: SpikingLayer) -> float:
        """All digits at their largest, k beta / (beta - 1), and one more, as V(0) rounds; whole, for the grid."""
        return float(math.ceil(layer.max_spikes * layer.beta / (layer.beta - 1) + 1))

    def decode(self, plan: SpikingPlan, charge: Tensor) -> Tensor:
        """`readout_scale` times the charge in thresholds, by what a threshold is worth at its step."""
        theta = per_channel(plan.output.threshold, plan.output.shape).to(charge)
        growth = plan.output.beta ** torch.arange(len(charge), dtype=charge.dtype, device=charge.device)
        return plan.readout_scale * (charge / (theta * growth.reshape(-1, 1, 1)))

    def decode_counts(self, plan: SpikingPlan, counts: Tensor) -> None:
        """None: the output neurons integrate only."""

    def between(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """Rest."""
        return at_rest(plan, len(state.current))


CODING: Final = DigitCoding()
