"""All that changes while a network is trained, and how it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atari.acting import choose
from atari.checkpoint import check, read_tensors, within, write_tensors
from atari.curve import Meter
from atari.export import Description, Score, score_of
from atari.games import rom_of
from atari.learning import Learner
from atari.memory import games_of
from atari.network import BODIES, QuantileNetwork, as_input
from atari.replay import Replay
from atari.settings import Settings
from dqn2snn.errors import ArgumentError, CheckpointError

__all__ = ["Progress", "Trainer"]

_UNIFORM = {"priority_exponent": 0.0}  # what networks from before there were priorities do not say


@dataclass
class Progress:
    """How far a training is: what a checkpoint keeps beside tensors and random numbers.

    Attributes:
        step: Steps of all games together.
        updates: Steps of gradient descent.
        wall_seconds: Time spent.
        before: Of each training whose network this one began with, its steps and what it did otherwise.
        recent: Raw scores of the last whole games, at most `Settings.window`.
        best: The highest mean of a full window of them; none before the first.
        best_step: When that was.
        curve: Points of the learning curve.
    """

    step: int = 0
    updates: int = 0
    wall_seconds: float = 0.0
    before: list[dict[str, Any]] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)
    best: Score | None = None
    best_step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        counts = (self.step, self.updates, self.best_step)
        if any(type(count) is not int or count < 0 for count in counts):
            raise TypeError(f"counts {counts}")
        if not all(isinstance(each, list) for each in (self.before, self.recent, self.curve)):
            raise TypeError("no list of trainings, of scores or of points")


class Trainer:
    """All that changes while a network is trained on a game.

    Args:
        game: Name of the game.
        settings: How to train.
    """

    def __init__(self, game: str, settings: Settings) -> None:
        self.game, self.settings = rom_of(game), settings
        self.games = games_of(settings.body)(game, settings.num_envs, settings.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = QuantileNetwork(settings.body, self.games.num_actions, settings.quantiles)
        self.learner = Learner.start(network, settings)
        self.replay = Replay(
            settings.replay_size // settings.num_envs,
            BODIES[settings.body].observation,
            settings.num_envs,
            settings.n_step,
            settings.gamma,
            settings.priority_exponent,
        )
        self.exploration, self.sampling = (np.random.default_rng([settings.seed, i]) for i in range(2))
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}

    @property
    def epsilon(self) -> float:
        """Probability of a random action now."""
        return self.settings.epsilon(self.progress.step)

    def play(self, meter: Meter) -> None:
        """Play one step of every game, and remember it."""
        with meter.timed("act"), torch.no_grad():
            observations = self.games.observations
            q = self.learner.network(as_input(torch.from_numpy(observations))).mean(2).numpy()
            actions = choose(q, self.epsilon, self.exploration)
            meter.max_q.append(float(q.max(1).mean()))
        with meter.timed("env"):
            played = self.games.step(actions)
        self.replay.add(
            observations, actions, np.sign(played.rewards), terminal=played.terminal, over=played.over
        )
        progress = self.progress
        progress.recent = (progress.recent + list(played.scores.values()))[-self.settings.window :]
        progress.step += len(actions)
        if played.scores:
            self._keep_best()

    def learn(self, meter: Meter) -> None:
        """Update the network, if the replay has filled."""
        if len(self.replay) < self.settings.learning_starts:
            return
        with meter.timed("learn"):
            for _ in range(self.settings.updates):
                batch = self.replay.sample(self.settings.batch_size, self.sampling)
                losses = self.learner.update(batch)
                self.replay.prioritize(batch.places, losses.numpy())
                meter.losses.append(losses.mean().item())
        self.progress.updates = self.learner.updates

    def _keep_best(self) -> None:
        progress = self.progress
        score = score_of(progress.recent, self.epsilon)
        full = len(progress.recent) == self.settings.window
        if score and full and (progress.best is None or score["mean"] > progress.best["mean"]):
            progress.best, progress.best_step = score, progress.step
            state = self.learner.network.state_dict()
            self.best = {name: tensor.clone() for name, tensor in state.items()}

    def result(self) -> tuple[QuantileNetwork, Description]:
        """Return the best network, or the newest before a window of games is full, and what it is."""
        progress, settings = self.progress, self.settings
        network = QuantileNetwork(settings.body, self.games.num_actions, settings.quantiles)
        network.load_state_dict(self.best or self.learner.network.state_dict())
        return network, {
            "game": self.game,
            "body": settings.body,
            "quantiles": settings.quantiles,
            "actions": self.games.num_actions,
            "steps": progress.best_step if self.best else progress.step,
            "score": progress.best or score_of(progress.recent, self.epsilon),
            "training": {
                **asdict(settings),
                "wall_seconds": round(progress.wall_seconds, 1),
                **({"before": progress.before} if progress.before else {}),
            },
        }

    def begin_from(
        self, network: QuantileNetwork, description: Description, curve: Sequence[dict[str, float]] = ()
    ) -> None:
        """Begin with the weights of a network, at its number of steps.

        Args:
            network: What `read_export` returned.
            description: The same.
            curve: Points of its learning curve, which goes on. Those of later steps are left out: of a training that
                went on where no network was better.

        Raises:
            ArgumentError: If it is a network for another game or of other sizes.
        """
        found = (description["game"], description["body"], description["quantiles"], description["actions"])
        expected = (self.game, self.settings.body, self.settings.quantiles, self.games.num_actions)
        if found != expected:
            raise ArgumentError(
                "Expected a network for this game, body, number of quantiles and of actions: "
                f"{expected}. Found {found}. Give the same options, or begin without it."
            )
        self.learner = Learner.start(network, self.settings)
        theirs, ours = _UNIFORM | dict(description["training"]), asdict(self.settings)
        seconds, before = theirs.pop("wall_seconds", None) or 0.0, theirs.pop("before", [])
        otherwise = {name: value for name, value in theirs.items() if ours.get(name) != value}
        before = [*before, {"steps": description["steps"], **otherwise}]
        steps = description["steps"]
        until = [point for point in curve if point["step"] <= steps]
        self._go_on(Progress(step=steps, wall_seconds=seconds, before=before, curve=until))

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        tensors = self.learner.tensors()
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        state = {
            "game": self.game,
            "settings": asdict(self.settings),
            "progress": asdict(self.progress),
            "exploration": self.exploration.bit_generator.state,
            "sampling": self.sampling.bit_generator.state,
        }
        write_tensors(path, tensors, state)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Games begin anew, and the replay fills again before the next update.

        Args:
            path: What `save` wrote.

        Raises:
            ArgumentError: If it was written under other options.
            CheckpointError: If it is no checkpoint, or a damaged one.
        """
        tensors, state = read_tensors(path)
        ours = {"game": self.game} | asdict(self.settings)
        theirs = {"game": state.get("game")} | dict(state.get("settings", {}))
        if ours != theirs:
            names = sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name))
            raise ArgumentError(
                f"Expected a checkpoint of the same options. Found other {', '.join(names)} in {path}: "
                f"{[theirs.get(name) for name in names]}. Give these, or another --out."
            )
        try:
            progress = Progress(**state["progress"])
            self.learner.restore(tensors, progress.updates)
            best = within("best.", tensors)
            self.best = check(best, self.learner.network.state_dict()) if best else {}
            self.exploration.bit_generator.state = state["exploration"]
            self.sampling.bit_generator.state = state["sampling"]
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: Expected the state of a training. Found: {error!r}") from None
        self._go_on(progress)

    def _go_on(self, progress: Progress) -> None:
        self.progress = progress
        # Other no-ops than before, which the network has seen already.
        self.games.reset(int(np.random.default_rng([self.settings.seed, progress.step]).integers(2**30)))
