"""Sigma-delta coding: spikes are changes of a level that persists from one decision to the next.

A value is the number of spikes since rest, those taken back subtracted. The observation enters as the change of its
current, once, and biases are part of `v_init`, since a bias is a level that never changes.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import SpikingLayer, SpikingPlan
from dqn2snn.plan.coding import Coding
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.state import NetworkState, NeuronState


class DeltaCoding(Coding):
    """Neurons send the changes of a quantised activation (O'Connor and Welling, ICLR 2017, arXiv 1611.02024).

    Example:
        >>> CODING.drive(torch.tensor([0.5]), torch.tensor([0.25]))
        (tensor([0.2500]), tensor([0.]))
    """

    name = "delta"
    once = True
    persistent = True
    compiled = {"delta": True}  # noqa: RUF012

    def check(self, plan: SpikingPlan) -> None:
        """Refuse a plan that makes no sense in this coding.

        Raises:
            PlanError: If hidden layers have no `max_count`, or the readout or the carry belongs to another coding.
        """
        if any(layer.max_count is None for layer in plan.layers):
            raise PlanError(
                "Expected hidden layers with max_count, their number of levels, in delta coding. Found one without. "
                "Use the recipe sigma_delta."
            )
        super().check(plan)

    def drive(self, current: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """The change of the current at the first step, and nothing after."""
        return current - before, torch.zeros_like(current)

    def worth(self, plan: SpikingPlan) -> Tensor:
        """One, at each step of the first decision of an episode."""
        return torch.ones(plan.settling_steps, dtype=torch.float64)

    def quanta(self, num_steps: int) -> int:
        """One: a spike is a level."""
        return 1

    def most(self, layer: SpikingLayer, num_steps: int) -> int:
        """The number of levels, however few steps there are: they may have been told before."""
        return super().most(layer, num_steps) if layer.max_count is None else layer.max_count

    def decode(self, plan: SpikingPlan, charge: Tensor) -> Tensor:
        """`readout_scale` times the charge in thresholds, with V(0), which holds the bias."""
        output = plan.output
        theta, v_init = (per_channel(x, output.shape).to(charge) for x in (output.threshold, output.v_init))
        return plan.readout_scale * ((charge + v_init) / theta)

    def decode_counts(self, plan: SpikingPlan, counts: Tensor) -> Tensor:
        """`readout_scale` times the counts."""
        return plan.readout_scale * counts

    def between(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """The state as it is."""
        return state

    def resynchronised(self, plan: SpikingPlan, state: NetworkState) -> NetworkState:
        """The state with its membranes computed anew from what has been sent.

        Every membrane is `v_init + W N' - theta N`, with N' the spikes that have come in and N those that have been
        sent; in the first layer the current takes the place of `W N'`. On the grid nothing changes. Off it, rounding
        errors that have gathered over many decisions are gone.
        """
        drives = [state.current]
        for layer, before in zip(plan.all_layers[1:], state.layers, strict=False):
            drives.append(layer.affine(before.count))
        layers = tuple(
            NeuronState(layer.v_init + drive - layer.threshold * now.count, now.count)
            for layer, drive, now in zip(plan.all_layers, drives, state.layers, strict=True)
        )
        return NetworkState(layers, state.current)


CODING: Final = DeltaCoding()
