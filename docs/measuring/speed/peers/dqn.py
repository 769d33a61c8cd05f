"""One float32 forward pass of the DQN: what a decision costs without spikes."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Contestant, Simulation

__all__ = ["CONTESTANTS"]


def _forward(plan: SpikingPlan, dqn: nn.Module) -> Simulation:
    return _simulation(dqn)


def _channels_last(plan: SpikingPlan, dqn: nn.Module) -> Simulation:
    return _simulation(copy.deepcopy(dqn).to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def _simulation(dqn: nn.Module) -> Simulation:
    @torch.no_grad()
    def q(observations: Tensor, num_steps: int) -> Tensor:
        return dqn(observations)  # type: ignore[no-any-return]

    return Simulation(q, None)


CONTESTANTS = (
    Contestant("dqn", "dqn", "torch", "one forward pass in float32", _forward),
    Contestant("dqn-channels-last", "dqn", "torch", "the same, weights channels last", _channels_last),
)
