"""A spiking network that answers like the Q-network it was made of."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.engine.modules import simulate_modules
from dqn2snn.engine.reference import simulate_reference
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.snntorch import to_snntorch
from dqn2snn.observations import Observations, check_observations
from dqn2snn.plan import SpikingPlan
from dqn2snn.record import Record
from dqn2snn.table import format_table

__all__ = ["Backend", "Engine", "SpikingQNetwork"]

Backend = Literal["snntorch", "norse"]
"""Whose neuron modules the network is built of."""

Engine = Literal["auto", "torch", "modules", "reference"]
"""How it is simulated: the fastest that applies, layer by layer, the native modules, or the float64 oracle."""


class SpikingQNetwork(nn.Module):
    """A spiking Q-network: `q = snn(observations)`, in the units of the DQN.

    Its `network` is made of native snnTorch or Norse modules, to be used like any other network of those
    libraries. The fast engines read the plan; on the grid they give the spikes of the modules, one by one. Modules
    that were trained further differ from the plan: run those with `engine="modules"`.

    Args:
        plan: What the network is.
        backend: "snntorch" or "norse".
        engine: Default way to simulate it.

    Raises:
        ArgumentError: If the backend or the engine is unknown.
        MissingExtraError: If the backend is not installed.

    Example:
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = dqn2snn.convert(net, torch.rand(64, 4), num_steps=64)
        >>> snn(torch.rand(3, 4)).shape
        torch.Size([3, 2])
        >>> record = snn.record(torch.rand(3, 4))
        >>> record.q.shape, record.counts[0].shape
        (torch.Size([64, 3, 2]), torch.Size([3, 8]))
    """

    def __init__(self, plan: SpikingPlan, backend: Backend = "snntorch", engine: Engine = "auto") -> None:
        super().__init__()
        self.plan = plan
        self.backend = backend
        self.engine = _checked_engine(engine)
        self.network = _native(plan, backend)
        self._prepared: SpikingPlan | None = None

    def forward(self, observations: Observations, num_steps: int | None = None) -> Tensor:
        """Q-values by the robust rate.

        Args:
            observations: `[B, *input_shape]`.
            num_steps: T; the plan's own by default.

        Returns:
            Tensor: `[B, A]`, in the DQN's units, on the device of the network.
        """
        return self.record(observations, num_steps).q[-1]

    def record(
        self,
        observations: Observations,
        num_steps: int | None = None,
        *,
        spikes: bool = False,
        engine: Engine | None = None,
        progress: bool = False,
    ) -> Record:
        """Simulate decisions; one record has the answer for every number of steps up to T.

        Args:
            observations: `[B, *input_shape]`.
            num_steps: T; the plan's own by default.
            spikes: Keep every spike of every layer.
            engine: Another engine than the network's own.
            progress: Show a progress bar (of the "torch" engine).

        Returns:
            Record: Q-values over time, spike counts and, if asked for, spikes.

        Raises:
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
            PlanError: If `num_steps` is not positive, or more than the grid is exact for.
        """
        steps = self.plan.check_steps(num_steps)
        chosen = self.engine if engine is None else _checked_engine(engine)
        batch = check_observations(observations, self.plan.input_shape).to(self._device)
        if chosen == "modules":
            return simulate_modules(self.network, self.plan, batch, steps, spikes=spikes)
        with torch.no_grad():
            if chosen == "reference":
                return simulate_reference(self.plan, batch, steps, spikes=spikes)
            return simulate_layerwise(self._on_device(), batch, steps, spikes=spikes, progress=progress)

    def predict(
        self,
        observation: Observations,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Greedy actions, with the signature of Stable-Baselines3.

        Args:
            observation: One observation or a batch of them.
            state: Returned unchanged: a decision starts from the initial state.
            episode_start: Ignored.
            deterministic: Ignored: the network is deterministic.

        Returns:
            tuple[NDArray[np.int64], Any]: Actions `[B]`, or `[]` for one observation, and the state.
        """
        batch = observation if isinstance(observation, Tensor) else np.asarray(observation)
        single = tuple(batch.shape) == self.plan.input_shape
        actions = self(batch[None] if single else batch).argmax(dim=1).cpu().numpy()
        return (actions.squeeze(0) if single else actions), state

    def summary(self, observations: Observations | None = None) -> str:
        """A table of the layers.

        Args:
            observations: If given, they are simulated, and the table says how the neurons fire: mean rate in spikes
                per step, share of neurons that never fire and share that fire at every step.

        Returns:
            str: The table.
        """
        if observations is None:
            return self.plan.summary()
        record = self.record(observations)
        rows = [
            [*row, f"{float(count.mean()) / record.num_steps:.3f}", *_extremes(count, record.num_steps)]
            for row, count in zip(self.plan.rows(), record.counts, strict=True)
        ]
        header = [*self.plan.columns, "rate", "silent %", "saturated %"]
        return f"{self.plan.headline}\n{format_table(header, rows)}"

    def extra_repr(self) -> str:
        """Backend and engine, in the representation of the module."""
        return f"{self.plan.headline}, backend={self.backend!r}, engine={self.engine!r}"

    @property
    def _device(self) -> torch.device:
        return next(tensor.device for tensor in (*self.network.parameters(), *self.network.buffers()))

    def _on_device(self) -> SpikingPlan:
        """The plan in float32 on the network's device, cast once."""
        if self._prepared is None or self._prepared.layers[0].threshold.device != self._device:
            self._prepared = self.plan.cast(torch.float32, self._device)
        return self._prepared


def _extremes(counts: Tensor, num_steps: int) -> tuple[str, str]:
    silent = (counts == 0).all(dim=0).float().mean()
    saturated = (counts == num_steps).all(dim=0).float().mean()
    return f"{100 * float(silent):.1f}", f"{100 * float(saturated):.1f}"


def _native(plan: SpikingPlan, backend: Backend) -> nn.Module:
    if backend == "snntorch":
        return to_snntorch(plan)
    if backend == "norse":
        from dqn2snn.neurons.norse import to_norse

        network: nn.Module = to_norse(plan)
        return network
    raise ArgumentError(f'Expected backend="snntorch" or "norse". Found {backend!r}.')


def _checked_engine(engine: Engine) -> Engine:
    if engine not in ("auto", "torch", "modules", "reference"):
        raise ArgumentError(f'Expected engine="auto", "torch", "modules" or "reference". Found {engine!r}.')
    return engine
