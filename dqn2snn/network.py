"""A spiking network that answers like the Q-network it was made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dqn2snn._utils.place import Place
from dqn2snn.dynamics.firing import firing_summary
from dqn2snn.dynamics.record import Record
from dqn2snn.engine.decide import EVERY, MARGIN, Decision, check_rule
from dqn2snn.engine.registry import AUTO, EngineChoice, PreparedPlan, check_engine
from dqn2snn.engine.simulation import Host, Simulation, Threads, check_threads
from dqn2snn.engine.stream import Stream, check_resync, check_stream
from dqn2snn.neurons.backends import Backend, backend_named, native_network
from dqn2snn.plan import PlanOrNetwork, plan_of
from dqn2snn.plan.sharing import Sharing
from dqn2snn.tracing.observations import Observations, check_observations

__all__ = ["SpikingQNetwork"]


class SpikingQNetwork(Sharing, nn.Module):
    """A spiking Q-network: `q = snn(observations)`, in the units of the DQN.

    Ask `snn(...)` for Q-values of independent decisions, `record` for everything that happened in them, `decide` for
    decisions that stop as soon as they are clear, and `stream` for control loops, in which some networks remember.
    `predict` has the signature of Stable-Baselines3.

    Its `network` is made of native modules of snnTorch, Norse or another backend, to be used like any other network of
    that library. The fast engines read the plan; on the grid they give the spikes of the modules, one by one. Modules
    that were trained further differ from the plan: run those with `engine="modules"`.

    Args:
        plan: What the network is; another network stands for its plan.
        backend: Whose neurons: "snntorch", "norse", or a name out of `dqn2snn.neurons.backends.backend_names()`.
        engine: Default way to simulate it: "auto", the fastest that applies, or the name of one of
            `dqn2snn.engine.registry.ENGINES`, which `dqn2snn info` describes.
        num_threads: Threads of the event engine, each of which decides other observations; None takes as many as
            torch does. May be set later.
        env: Gymnasium id of the environment where it plays; by default that of the network given as `plan`, if any.

    Raises:
        ArgumentError: If the backend or the engine is unknown, or the engine does not apply.
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
        engine: str = AUTO,
        num_threads: int | None = None,
        env: str = "",
    ) -> None:
        super().__init__()
        self.plan = plan_of(plan)
        self.backend = backend
        self.engine = check_engine(engine)
        self.env_id: str = env or getattr(plan, "env_id", "")
        self.config: dict[str, Any] = {}
        self._threads = Threads(check_threads(num_threads))
        self._backend: Backend | None = backend_named(backend)
        self.network = native_network(self.plan, self._backend)
        self._place: Place | None = None
        self._prepared: PreparedPlan | None = None
        if engine != AUTO:
            self._prepare().choose(engine)

    def forward(self, observations: Observations, num_steps: int | None = None) -> Tensor:
        """Q-values of independent decisions: the fastest way to ask, where nothing else is wanted.

        Args:
            observations: `[B, *input_shape]`.
            num_steps: T; the plan's own by default.

        Returns:
            Tensor: `[B, A]`, in the DQN's units, on the device of the network.
        """
        simulation, batch, steps = self._start(observations, num_steps)
        return simulation.q(batch, steps)

    def record(
        self,
        observations: Observations,
        num_steps: int | None = None,
        *,
        spikes: bool = False,
        engine: str | None = None,
        progress: bool = True,
    ) -> Record:
        """Spikes of independent decisions, and the answer for every number of steps up to T.

        Args:
            observations: `[B, *input_shape]`.
            num_steps: T; the plan's own by default.
            spikes: Keep every spike of every layer.
            engine: Another engine than the network's own.
            progress: Show a progress bar when standard error is a terminal.

        Returns:
            Record: Q-values over time, spike counts and, if asked for, spikes.

        Raises:
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
            PlanError: If `num_steps` is not positive, or more than the grid is exact for.
        """
        simulation, batch, steps = self._start(observations, num_steps, engine)
        return simulation.run(batch, steps, spikes=spikes, progress=progress)

    def stream(
        self, num_steps: int | None = None, *, engine: str | None = None, resync_every: int | None = None
    ) -> Stream:
        """A control loop, for environments that are stepped: see `dqn2snn.engine.stream.Stream`.

        It serves every network; those that remember from one decision to the next have to be asked in this way.

        Args:
            num_steps: T; the plan's own by default.
            engine: Another engine than the network's own.
            resync_every: Decisions after which membranes are computed anew from what was sent, to be rid of rounding
                errors; on the grid there are none.

        Returns:
            Stream: At rest.

        Raises:
            ArgumentError: If `resync_every` is not positive.
            PlanError: If `num_steps` is not positive, or more than the grid is exact for.
        """
        steps = self.plan.check_steps(num_steps)
        prepared = self._prepare()
        decisions = prepared.simulation(engine or self.engine).stream(check_resync(resync_every))
        return Stream(self.plan, decisions, steps, prepared.device)

    def decide(
        self,
        observations: Observations,
        num_steps: int | None = None,
        margin: float = MARGIN,
        every: int = EVERY,
        *,
        engine: str | None = None,
    ) -> Decision:
        """Decide each observation as soon as its best action is clear of the others; see `dqn2snn.engine.decide`.

        A heuristic that errs rarely at the default margin; the action after all steps may be another one. The event
        engine stops early. The others simulate all steps and say when they might have stopped.

        Args:
            observations: `[B, *input_shape]`.
            num_steps: Steps after which an undecided observation is decided; the plan's own T by default.
            margin: How far ahead the best action must be, in typical errors.
            every: Steps from one check to the next.
            engine: Another engine than the network's own.

        Returns:
            Decision: Actions, the steps that each took, and the Q-values then.

        Raises:
            ArgumentError: If `margin` or `every` is out of range.
            ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
            PlanError: If `num_steps` is not positive, or more than the grid is exact for; or if the output neurons
                are reset to zero.
        """
        check_rule(self.plan, margin, every)
        simulation, batch, steps = self._start(observations, num_steps, engine)
        return simulation.decide(batch, steps, margin, every)

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
        batch = batch[None] if single else batch
        if self.plan.stateful:
            state = self.stream() if state is None else check_stream(state, self.plan)
            starts = None if episode_start is None else np.atleast_1d(np.asarray(episode_start))
            q = state.step(batch, starts)
        else:
            with torch.no_grad():
                q = self(batch)
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
        return firing_summary(self.plan, self.record(observations))

    def extra_repr(self) -> str:
        """Backend and engine, in the representation of the module."""
        return f"{self.plan.headline}, backend={self.backend!r}, engine={self.engine!r}"

    @property
    def engine_in_use(self) -> EngineChoice:
        """The engine that simulates, and why this one."""
        return self._prepare().choose(self.engine)

    @property
    def num_threads(self) -> int | None:
        """Threads of the event engine; None for as many as torch uses."""
        return self._threads.number

    @num_threads.setter
    def num_threads(self, num_threads: int | None) -> None:
        self._threads.number = check_threads(num_threads)

    def _start(
        self, observations: Observations, num_steps: int | None, engine: str | None = None
    ) -> tuple[Simulation, Tensor, int]:
        """The simulation that answers, and its arguments, checked."""
        steps = self.plan.check_steps(num_steps)
        prepared = self._prepare()
        simulation = prepared.simulation(engine or self.engine)
        batch = check_observations(observations, self.plan.input_shape)
        return simulation, batch.to(prepared.device), steps

    def _prepare(self) -> PreparedPlan:
        """The plan made ready for the engines, once for each device and native network."""
        if self._place is None or self._place.module is not self.network:
            self._place = Place(self.network)
        device, prepared = self._place.device, self._prepared
        if (
            prepared is None
            or prepared.plan is not self.plan
            or prepared.device != device
            or prepared.host.network is not self.network
        ):
            backend = self._backend = self._backend or backend_named(self.backend)
            host = Host(self.network, backend, self._threads)
            prepared = self._prepared = PreparedPlan(self.plan, device, host)
        return prepared

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles leave out what can be made again."""
        return {**self.__dict__, "_place": None, "_backend": None, "_prepared": None}


def network_of(snn: PlanOrNetwork) -> SpikingQNetwork:
    """The network itself, or a new one of a plan.

    Raises:
        ArgumentError: If it is neither.
    """
    return snn if isinstance(snn, SpikingQNetwork) else SpikingQNetwork(plan_of(snn))
