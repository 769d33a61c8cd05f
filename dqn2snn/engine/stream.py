"""Control loops: a spiking network that remembers from one decision to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.dynamics.record import Record
from dqn2snn.engine.streaming import Streaming
from dqn2snn.errors import ArgumentError
from dqn2snn.tracing.observations import Observations, check_observations

if TYPE_CHECKING:
    from dqn2snn.plan import SpikingPlan

__all__ = ["Stream"]

Flags = Tensor | NDArray[np.bool_]
"""One bool for each environment."""


class Stream:
    """Networks in control loops, one for each of a vector of environments; made by `SpikingQNetwork.stream`.

    A "delta" network (`sigma_delta`) is shown how observations change, and its neurons send how their levels change:
    what stays the same costs nothing. One with `carry` starts a decision from what the last one left. Others decide
    as they always do, so that a loop can be written once for all of them.

    Args:
        plan: The spiking network.
        engine: What simulates it.
        num_steps: T.
        device: Where it is simulated.

    Example:
        >>> import dqn2snn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> stream = dqn2snn.convert(net, torch.rand(64, 4), recipe="sigma_delta", num_steps=4).stream()
        >>> observations = torch.rand(3, 4)
        >>> stream.step(observations).shape
        torch.Size([3, 2])
        >>> record = stream.record(observations)  # nothing has changed
        >>> sum(int(sent.sum()) for sent in record.sent)
        0
    """

    def __init__(self, plan: SpikingPlan, engine: Streaming, num_steps: int, device: torch.device) -> None:
        self.plan = plan
        self.num_steps = num_steps
        self._engine = engine
        self._device = device

    def step(
        self, observations: Observations, episode_start: Flags | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """Q-values of the next observation of each environment.

        Args:
            observations: `[B, *input_shape]`.
            episode_start: Whether this observation begins a new episode, `[B]` bool; None for nowhere. The first call
                begins everywhere.
            rows: Numbers of the environments that these are, `[B]` int64; by default 0 to B - 1.

        Returns:
            Tensor: `[B, A]`, in the DQN's units.

        Raises:
            ArgumentError: If `episode_start` or `rows` do not fit the observations.
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        """
        arguments = self._arguments(observations, episode_start, rows)
        with torch.no_grad():
            return self._engine.q(*arguments)

    def record(
        self,
        observations: Observations,
        episode_start: Flags | None = None,
        rows: Tensor | None = None,
        *,
        spikes: bool = False,
    ) -> Record:
        """Counts of spikes and Q-values after every step, for the next observation of each environment.

        Args:
            observations: As of `step`.
            episode_start: As of `step`.
            rows: As of `step`.
            spikes: Keep every spike of every layer, but for those of a warm-up.

        Returns:
            Record: Its `sent` has the spikes of these decisions, those of a warm-up included.

        Raises:
            ArgumentError: If `episode_start` or `rows` do not fit the observations.
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        """
        arguments = self._arguments(observations, episode_start, rows)
        with torch.no_grad():
            return self._engine.advance(*arguments, spikes=spikes)

    def _arguments(
        self, observations: Observations, episode_start: Flags | None, rows: Tensor | None
    ) -> tuple[Tensor, int, Tensor, Tensor]:
        batch = check_observations(observations, self.plan.input_shape).to(self._device)
        nowhere = torch.zeros(len(batch), dtype=torch.bool)
        starts = nowhere if episode_start is None else torch.as_tensor(episode_start)
        rows = torch.arange(len(batch)) if rows is None else torch.as_tensor(rows)
        _check(starts, rows, len(batch))
        return batch, self.num_steps, rows.to(self._device), starts.to(self._device)

    def reset(self) -> None:
        """Begin anew in all environments, however many there are next."""
        self._engine.reset()


def check_resync(resync_every: int | None) -> int | None:
    """The number itself.

    Raises:
        ArgumentError: If it is neither None nor positive.
    """
    if resync_every is None or resync_every >= 1:
        return resync_every
    raise ArgumentError(
        f"Expected a positive resync_every, or None. Found {resync_every!r}. Use None on the grid."
    )


def check_stream(state: object, plan: SpikingPlan) -> Stream:
    """The stream itself.

    Raises:
        ArgumentError: If it is something else, or of another network.
    """
    if isinstance(state, Stream) and state.plan is plan:
        return state
    found = "that of another network" if isinstance(state, Stream) else repr(state)
    raise ArgumentError(
        f"Expected the state that `predict` returned last, or None. Found {found}. Pass None where all episodes begin."
    )


def _check(episode_start: Tensor, rows: Tensor, batch: int) -> None:
    if episode_start.dtype != torch.bool or episode_start.shape != (batch,):
        raise ArgumentError(
            f"Expected `episode_start` as one bool for each of {batch} observations. Found {episode_start.dtype} "
            f"of shape {tuple(episode_start.shape)}. Pass terminated | truncated of the step before."
        )
    whole = not rows.is_floating_point() and rows.dtype != torch.bool
    if not whole or rows.shape != (batch,) or len(rows.unique()) != batch or bool((rows < 0).any()):
        raise ArgumentError(
            f"Expected `rows` as {batch} different numbers of environments. Found {rows.tolist()}. Leave it out where "
            "all environments are there, in their order."
        )
