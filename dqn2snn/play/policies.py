"""Policies: a DQN or a spiking network as something that answers many environments at once.

A network that remembers is given a stream, in which every environment has a state of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from dqn2snn.dynamics.record import Record
from dqn2snn.errors import ArgumentError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan

__all__ = ["Policy"]

Policy: TypeAlias = Callable[[Tensor], Tensor]
"""Anything that maps observations ``[B, *obs_shape]`` to Q-values ``[B, A]``: a DQN, a spiking network."""


@dataclass(frozen=True)
class Places:
    """Where observations come from, for networks that remember.

    Attributes:
        rows: Number of the environment of each observation, ``[B]`` int64.
        episode_start: Whether an episode begins with it, ``[B]`` bool.
    """

    rows: Tensor
    episode_start: Tensor


Player: TypeAlias = Callable[[Tensor, Places], tuple[Tensor, ...]]
"""Q-values ``[B, A]`` of one or more networks for observations ``[B, *obs_shape]`` of those places."""


def player_of(policy: Policy) -> Player:
    """Q-values of one network.

    Args:
        policy: A DQN, a spiking network or its plan, or any other function from observations to Q-values.

    Returns:
        Player: Gives them on the CPU.

    Raises:
        ArgumentError: If it is none of these.
    """
    network = _callable(policy)
    if isinstance(network, SpikingQNetwork) and network.plan.stateful:
        stream = network.stream()
        return lambda observations, places: (
            stream.step(observations, places.episode_start, places.rows).cpu(),
        )
    device = device_of(network)
    return lambda observations, places: (network(observations.to(device)).cpu(),)


def readouts_of(snn: Policy) -> Player:
    """The robust and the spike-count readout of one run, or the only one there is.

    Args:
        snn: A spiking network or its plan, or another network.

    Returns:
        Player: Gives them on the CPU.

    Raises:
        ArgumentError: If it is none of these.
    """
    network = _callable(snn)
    if isinstance(network, SpikingQNetwork):
        stream = network.stream()

        def streamed(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
            result = stream.record(observations, places.episode_start, places.rows)
            return _last(result)

        return streamed
    record = getattr(network, "record", None)
    if record is None:
        return player_of(network)
    device = device_of(network)

    def both(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        return _last(record(observations.to(device)))

    return both


def _last(record: Record) -> tuple[Tensor, ...]:
    """The readouts that there are, after the last step, on the CPU."""
    return tuple(q[-1].cpu() for q in (record.q, record.q_spike) if q is not None)


def device_of(policy: Policy) -> torch.device:
    """Say where a network wants its observations: where its first parameter or buffer is, else on the CPU.

    Args:
        policy: Any network.

    Returns:
        The device.

    Example:
        >>> device_of(nn.Linear(4, 2))
        device(type='cpu')
    """
    if isinstance(policy, nn.Module):
        for tensor in itertools.chain(policy.parameters(), policy.buffers()):
            return tensor.device
    return torch.device("cpu")


def _callable(policy: object) -> Policy:
    if isinstance(policy, SpikingPlan):
        return SpikingQNetwork(policy)
    if not callable(policy):
        raise ArgumentError(
            f"Expected a network that maps observations to Q-values. Found {type(policy).__name__}. Pass a torch "
            "module, what dqn2snn.load_q_network or dqn2snn.convert returns, or a function."
        )
    return policy
