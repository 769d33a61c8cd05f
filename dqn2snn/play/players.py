"""Q-functions as players: those that remember get a stream, in which every environment has a state of its own."""

from __future__ import annotations

from torch import Tensor

from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.rollout import Places, QFunction, QFunctions, device_of

__all__ = ["player_of", "readouts_of"]


def player_of(q_function: QFunction) -> QFunctions:
    """Q-values of one network.

    Args:
        q_function: A DQN, a converted network or any other.

    Returns:
        QFunctions: Gives them on the CPU.
    """
    if isinstance(q_function, SpikingQNetwork) and q_function.plan.stateful:
        stream = q_function.stream()
        return lambda observations, places: (stream.step(observations, places.first, places.rows).cpu(),)
    device = device_of(q_function)
    return lambda observations, places: (q_function(observations.to(device)).cpu(),)


def readouts_of(snn: QFunction) -> QFunctions:
    """The robust and the spike-count readout of one run, or the only one there is.

    Args:
        snn: A converted network or another one.

    Returns:
        QFunctions: Gives them on the CPU.
    """
    if isinstance(snn, SpikingQNetwork):
        stream = snn.stream()

        def streamed(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
            result = stream.record(observations, places.first, places.rows)
            return result.q[-1].cpu(), result.q_spike[-1].cpu()

        return streamed
    record = getattr(snn, "record", None)
    if record is None:
        return player_of(snn)
    device = device_of(snn)

    def both(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        result = record(observations.to(device))
        return result.q[-1].cpu(), result.q_spike[-1].cpu()

    return both
