"""dqn2snn's own engines, through the front door: `snn(observations, num_steps)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from dqn2snn.errors import Dqn2SnnError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from measuring.speed.peers.contestant import Contestant, Simulation, UnavailableError

__all__ = ["CONTESTANTS"]


def _engine(name: Any) -> Callable[[SpikingPlan, nn.Module], Simulation]:
    def make(plan: SpikingPlan, dqn: nn.Module) -> Simulation:
        try:
            snn = SpikingQNetwork(plan, engine=name).requires_grad_(False)
        except Dqn2SnnError as error:
            raise UnavailableError(str(error)) from None

        def counts(observations: Tensor, num_steps: int) -> tuple[Tensor, ...]:
            return snn.record(observations, num_steps).counts[:-1]

        return Simulation(snn, counts)

    return make


CONTESTANTS = (
    Contestant("event", "own", "dqn2snn", 'engine="event"', _engine("event")),
    Contestant("torch", "own", "dqn2snn", 'engine="torch"', _engine("torch")),
)
