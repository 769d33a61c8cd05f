"""A spiking network that answers like the Q-network it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn2snn._utils.table import format_table
from dqn2snn.dynamics.record import Record
from dqn2snn.engine.choice import Engine, EngineChoice, PreparedPlan, check_engine
from dqn2snn.engine.decide import EVERY, MARGIN, Decision, check_rule, decide
from dqn2snn.engine.event import decide_event, q_event, simulate_event
from dqn2snn.engine.layerwise import simulate_layerwise
from dqn2snn.engine.modules import simulate_modules
from dqn2snn.engine.reference import simulate_reference
from dqn2snn.engine.stream import Flags, Stream, check_stream
from dqn2snn.engine.streaming import streaming, timed
from dqn2snn.errors import ArgumentError
from dqn2snn.neurons.backends import Adapter, Backend, backend_named, native_network
from dqn2snn.plan import PlanOrNetwork, ReadoutKind, plan_of
from dqn2snn.plan.sharing import Sharing
from dqn2snn.plan.summary import COLUMNS, layer_rows
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["Engine", "SpikingQNetwork", "network_of"]

_Slot = tuple[nn.Module, Mapping[str, Tensor | None], str]


class SpikingQNetwork(Sharing, nn.Module):
    """A spiking Q-network: `q = snn(observations)`, in the units of the DQN.

    Its `network` is made of native modules of snnTorch, Norse or another backend, to be used like any other network of
    that library. The fast engines read the plan; on the grid they give the spikes of the modules, one by one. Modules
    that were trained further differ from the plan: run those with `engine="modules"`.

    Args:
        plan: What the network is; another network stands for its plan.
        backend: Whose neurons: "snntorch", "norse", or a name out of `dqn2snn.neurons.backends.backend_names()`.
        engine: Default way to simulate it: "auto", the fastest that applies; "event", by events, on the CPU;
            "torch", layer by layer; "modules", the native modules step by step; "reference", the float64 oracle.
        num_threads: Threads of the event engine, each of which decides other observations; None takes as many as
            torch does. May be set later.
        env_id: Gymnasium id of the environment where it plays; by default that of the network given as `plan`, if any.

    Raises:
        ArgumentError: If the backend or the engine is unknown, or the event engine asked for where it does not apply.
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

    def __init__(
        self,
        plan: PlanOrNetwork,
        backend: str = "snntorch",
        engine: Engine = "auto",
        num_threads: int | None = None,
        env_id: str = "",
    ) -> None:
        super().__init__()
        self.plan = plan_of(plan)
        self.backend = backend
        self.engine = check_engine(engine)
        self.num_threads = num_threads
        self.env_id: str = env_id or getattr(plan, "env_id", "")
        self.config: dict[str, Any] = {}
        self._backend: Backend | None = backend_named(backend)
        self.network = native_network(self.plan, self._backend)
        self._slot: _Slot | None = None
        self._prepared: PreparedPlan | None = None
        self._stream: Stream | None = None
        if engine == "event":
            self._prepare().choose(engine)

    def forward(self, observations: Observations, num_steps: int | None = None) -> Tensor:
        """Q-values by the robust rate.

        Args:
            observations: `[B, *input_shape]`.
            num_steps: T; the plan's own by default.

        Returns:
            Tensor: `[B, A]`, in the DQN's units, on the device of the network.
        """
        prepared, engine, batch, steps = self._start(observations, num_steps)
        if engine == "event":
            return q_event(prepared.events, batch, steps, threads=self._threads)
        return self.record(batch, steps, engine=engine).q[-1]

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
            progress: Show a progress bar (of the engines "event" and "torch").

        Returns:
            Record: Q-values over time, spike counts and, if asked for, spikes.

        Raises:
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
            PlanError: If `num_steps` is not positive, or more than the grid is exact for.
        """
        prepared, chosen, batch, steps = self._start(observations, num_steps, engine)
        return self._simulate(prepared, chosen, batch, steps, spikes=spikes, progress=progress)

    def _simulate(
        self,
        prepared: PreparedPlan,
        engine: Engine,
        batch: Tensor,
        steps: int,
        *,
        readout: ReadoutKind | None = None,
        spikes: bool = False,
        progress: bool = False,
    ) -> Record:
        plan, tensors = self.plan, prepared.tensors
        if engine == "event":
            return simulate_event(
                prepared.events, batch, steps, spikes=spikes, threads=self._threads, progress=progress
            )
        if plan.coding.windowed:
            return timed(engine)(tensors, batch, steps, spikes=spikes)
        if readout is not None:
            plan, tensors = replace(plan, readout=readout), replace(tensors, readout=readout)
        if engine == "modules":
            return simulate_modules(self._adapter(), plan, batch, steps, spikes=spikes)
        with torch.no_grad():
            if engine == "reference":
                return simulate_reference(plan, batch, steps, spikes=spikes)
            return simulate_layerwise(tensors, batch, steps, spikes=spikes, progress=progress)

    def stream(
        self, num_steps: int | None = None, *, engine: Engine | None = None, resync_every: int | None = None
    ) -> Stream:
        """A control loop of its own: see `dqn2snn.engine.stream.Stream`.

        Args:
            num_steps: T; the plan's own by default.
            engine: Another engine than the network's own.
            resync_every: Decisions after which membranes of a "delta" network are computed anew from what was sent, to
                be rid of rounding errors; on the grid there are none.

        Returns:
            Stream: At rest.

        Raises:
            ArgumentError: If `resync_every` is not positive.
            PlanError: If `num_steps` is not positive, or more than the grid is exact for.
        """
        if resync_every is not None and resync_every < 1:
            raise ArgumentError(
                f"Expected a positive resync_every, or None. Found {resync_every!r}. Use None on the grid."
            )
        steps = self.plan.check_steps(num_steps)
        prepared = self._prepare()
        chosen = prepared.choose(self.engine if engine is None else check_engine(engine)).name
        engines = streaming(prepared, chosen, self._adapter, lambda: self._threads, resync_every)
        return Stream(self.plan, engines, steps, prepared.device)

    def step(self, observations: Observations, done: Flags | None = None) -> Tensor:
        """Q-values of the next observation of each of a vector of environments, in a stream that the network keeps.

        A network that remembers nothing between decisions gives what `forward` gives.

        Args:
            observations: `[B, *input_shape]`.
            done: Whether the last episode of an environment has ended, so that this observation is the first of a new
                one, `[B]` bool.

        Returns:
            Tensor: `[B, A]`, in the DQN's units.

        Raises:
            ArgumentError: If `done` does not fit the observations.
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        """
        if self._stream is None:
            self._stream = self.stream()
        return self._stream.step(observations, done)

    def reset(self) -> None:
        """Begin anew in all environments of `step`."""
        self._stream = None

    def decide(
        self,
        observations: Observations,
        max_steps: int | None = None,
        margin: float = MARGIN,
        every: int = EVERY,
        *,
        engine: Engine | None = None,
    ) -> Decision:
        """Decide each observation as soon as its best action is clear of the others; see `dqn2snn.decide`.

        A heuristic that errs rarely at the default margin; the action after all steps may be another one. It goes by
        the robust rate, whatever the plan's readout, as that is what its typical errors are about. The event
        engine stops early. The others simulate all steps and say when they might have stopped.

        Args:
            observations: `[B, *input_shape]`.
            max_steps: Steps after which an undecided observation is decided; the plan's own T by default.
            margin: How far ahead the best action must be, in typical errors.
            every: Steps from one check to the next.
            engine: Another engine than the network's own.

        Returns:
            Decision: Actions, the steps that each took, and the Q-values then.

        Raises:
            ArgumentError: If `margin` or `every` is out of range.
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
            PlanError: If `max_steps` is not positive, or more than the grid is exact for; or if the output neurons
                are reset to zero.
        """
        check_rule(self.plan, margin, every)
        prepared, chosen, batch, steps = self._start(observations, max_steps, engine)
        if chosen == "event":
            q, used = decide_event(
                prepared.events,
                batch,
                steps,
                margin=float(margin),
                every=min(int(every), steps + 1),
                threads=self._threads,
            )
            return Decision(q.argmax(dim=1), used, q)
        with torch.no_grad():
            by_rate = self._simulate(prepared, chosen, batch, steps, readout="rate")
        return decide(self.plan, by_rate, margin, every)

    def predict(
        self,
        observation: Observations,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Greedy actions, with the signature of Stable-Baselines3, whose ``evaluate_policy`` takes the network.

        Args:
            observation: One observation or a batch of them.
            state: What the call before returned, for a network that remembers; None begins everywhere. Others return
                it unchanged.
            episode_start: Where an episode begins, a bool for each observation; None for nowhere.
            deterministic: Ignored: the network is deterministic.

        Returns:
            tuple[NDArray[np.int64], Any]: Actions `[B]`, or `[]` for one observation, and the state: the `Stream` of a
            network that remembers.

        Raises:
            ArgumentError: If the state or `episode_start` is of another kind.
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        """
        batch = observation if isinstance(observation, Tensor) else np.asarray(observation)
        single = tuple(batch.shape) == self.plan.input_shape
        seen = batch[None] if single else batch
        if self.plan.stateful:
            state = self.stream() if state is None else check_stream(state, self.plan)
            first = None if episode_start is None else np.atleast_1d(np.asarray(episode_start))
            q = state.step(seen, first)
        else:
            with torch.no_grad():
                q = self(seen)
        actions = q.argmax(dim=1).cpu().numpy()
        return (actions.squeeze(0) if single else actions), state

    def summary(self, observations: Observations | None = None) -> str:
        """A table of the layers.

        Args:
            observations: If given, they are simulated, and the table says how the neurons fire: mean rate in spikes
                per step, share of neurons that never fire and share that always fire as much as they can.

        Returns:
            str: The table.
        """
        if observations is None:
            return self.plan.summary()
        record = self.record(observations)
        rows = [
            [
                *row,
                f"{float(sent.mean()) / record.num_steps:.3f}",
                *_extremes(sent, record.num_steps * layer.max_spikes),
            ]
            for row, layer, sent in zip(layer_rows(self.plan), self.plan.all_layers, record.sent, strict=True)
        ]
        header = [*COLUMNS, "rate", "silent %", "saturated %"]
        return f"{self.plan.headline}\n{format_table(header, rows)}"

    def extra_repr(self) -> str:
        """Backend and engine, in the representation of the module."""
        return f"{self.plan.headline}, backend={self.backend!r}, engine={self.engine!r}"

    @property
    def engine_in_use(self) -> EngineChoice:
        """The engine that simulates, and why this one: of `engine="auto"`, the one that applies."""
        return self._prepare().choose(self.engine)

    @property
    def num_threads(self) -> int | None:
        """Threads of the event engine; None for as many as torch uses."""
        return self._num_threads

    @num_threads.setter
    def num_threads(self, num_threads: int | None) -> None:
        if num_threads is not None:
            whole = isinstance(num_threads, Integral) and not isinstance(num_threads, bool)
            if not whole or num_threads < 1:
                raise ArgumentError(
                    f"Expected a positive number of threads, or None. Found num_threads={num_threads!r}. Use None."
                )
        self._num_threads = num_threads

    @property
    def _threads(self) -> int:
        return self._num_threads or torch.get_num_threads()

    @property
    def _device(self) -> torch.device:
        """The device of the network's first tensor, looked up where that is kept: `.to()` may replace it."""
        slot, network = self._slot, self.network
        if slot is None or slot[0] is not network:
            slot = self._slot = _first_slot(network)
        _, tensors, name = slot
        tensor = tensors[name]
        assert tensor is not None
        return tensor.device

    def _start(
        self, observations: Observations, num_steps: int | None, engine: Engine | None = None
    ) -> tuple[PreparedPlan, Engine, Tensor, int]:
        """What every simulation begins with: the prepared plan, the engine, and the arguments, checked."""
        steps = self.plan.check_steps(num_steps)
        prepared = self._prepare()
        chosen = prepared.choose(self.engine if engine is None else check_engine(engine)).name
        batch = check_observations(observations, self.plan.input_shape)
        return prepared, chosen, batch.to(prepared.device), steps

    def _adapter(self) -> Adapter:
        """The native network, as it is now, for the engine that steps it."""
        if self._backend is None:
            self._backend = backend_named(self.backend)
        return self._backend.adapt(self.network)

    def _prepare(self) -> PreparedPlan:
        """What the engines need of the plan, made once for each device."""
        device, prepared = self._device, self._prepared
        if prepared is None or prepared.plan is not self.plan or prepared.device != device:
            prepared = self._prepared = PreparedPlan(self.plan, device)
        return prepared

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles leave out what can be made again."""
        return {**self.__dict__, "_slot": None, "_backend": None, "_prepared": None, "_stream": None}


def _first_slot(network: nn.Module) -> _Slot:
    return next(
        (network, tensors, name)
        for module in network.modules()
        for tensors in (module._parameters, module._buffers)
        for name, tensor in tensors.items()
        if tensor is not None
    )


def _extremes(sent: Tensor, most: int) -> tuple[str, str]:
    silent = (sent == 0).all(dim=0).float().mean()
    saturated = (sent == most).all(dim=0).float().mean()
    return f"{100 * float(silent):.1f}", f"{100 * float(saturated):.1f}"


def network_of(snn: PlanOrNetwork) -> SpikingQNetwork:
    """The network of a network or of a plan: what every function that runs one begins with.

    Args:
        snn: A `SpikingQNetwork`, or a `SpikingPlan`, of which one is made.

    Returns:
        SpikingQNetwork: The network itself, or a new one of the plan.

    Raises:
        ArgumentError: If it is something else.
    """
    return snn if isinstance(snn, SpikingQNetwork) else SpikingQNetwork(plan_of(snn))
