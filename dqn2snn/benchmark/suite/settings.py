"""What the benchmark plays, and under which conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dqn2snn import zoo
from dqn2snn.benchmark.table.settings import DQN, check_different, check_recipes
from dqn2snn.calibration import check_percentile
from dqn2snn.engine.choice import Engine
from dqn2snn.errors import ArgumentError

__all__ = ["DQN", "SEED_STRIDE", "Protocol", "Settings", "Unit", "check", "units"]

SEED_STRIDE = 2**21
"""From one seed of the benchmark to the next. Episode ``i`` of seed ``s`` is episode ``i`` of `rollout.play` with the
seed ``s * SEED_STRIDE``, so that no two seeds share an episode, nor one that conversions are calibrated on."""

_MOST_SEEDS, _MOST_EPISODES = 1000, 2**20


@dataclass(frozen=True)
class Protocol:
    """The conditions of a benchmark. One directory has one protocol.

    Attributes:
        epsilon: Probability of a random action; 0.05 in Tan et al. (2021).
        calibration: Observations that a conversion sees.
        max_steps: Ends an episode, beside the environment's own limit.
    """

    epsilon: float = 0.05
    calibration: int = 5000
    max_steps: int | None = None


@dataclass(frozen=True)
class Unit:
    """A network that plays: a conversion, or the DQN itself.

    Attributes:
        agent: Name or directory of the agent.
        recipe: Name of the recipe with options and corrections, or `DQN`.
        num_steps: T; 0 of the DQN.
        percentile: Of the activations; None for the recipe's own, and of the DQN.
        seed: Determines calibration and episodes.
    """

    agent: str
    recipe: str
    num_steps: int
    percentile: float | None
    seed: int

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Unit:
        """Whose a line of the file is."""
        return Unit(*(entry[name] for name in ("agent", "recipe", "num_steps", "percentile", "seed")))

    @property
    def key(self) -> dict[str, Any]:
        """How a line of the file begins."""
        return dict(vars(self))

    @property
    def first_seed(self) -> int:
        """Episode 0 starts from it."""
        return self.seed * SEED_STRIDE

    def __str__(self) -> str:
        if self.recipe == DQN:
            return f"{self.agent} DQN seed={self.seed}"
        percentile = "" if self.percentile is None else f" percentile={self.percentile:g}"
        return f"{self.agent} {self.recipe} T={self.num_steps}{percentile} seed={self.seed}"


@dataclass(frozen=True)
class Settings:
    """Which episodes are played, and how.

    Attributes:
        agents: Names of shipped agents, or directories with one each.
        recipes: Names that `Rule.of` reads: "rate", "sigma_delta:levels=32+ridge".
        steps: T.
        percentiles: Of the activations; None for the recipe's own.
        seeds: Each is a calibration and episodes of its own.
        episodes: Episodes of each seed that everybody plays.
        protocol: The conditions.
        engine: What simulates; on the grid all give the same.
        batch: Episodes that are played side by side, and are there together; their course does not depend on it.
    """

    agents: tuple[str, ...] = zoo.names()
    recipes: tuple[str, ...] = ("rate",)
    steps: tuple[int, ...] = (32,)
    percentiles: tuple[float | None, ...] = (None,)
    seeds: tuple[int, ...] = (0,)
    episodes: int = 50
    protocol: Protocol = Protocol()
    engine: Engine = "auto"
    batch: int = 1


def units(settings: Settings) -> Iterator[Unit]:
    """All networks in the order in which they play: few steps first, since they are cheap.

    Example:
        >>> settings = Settings(agents=("cartpole",), recipes=("rate", "tan2021"), steps=(4,))
        >>> [str(unit) for unit in units(settings)]
        ['cartpole DQN seed=0', 'cartpole rate T=4 seed=0', 'cartpole tan2021 T=4 seed=0']
    """
    for seed, agent in itertools.product(settings.seeds, settings.agents):
        yield Unit(agent, DQN, 0, None, seed)
    for num_steps, seed, agent, recipe, percentile in itertools.product(
        sorted(settings.steps), settings.seeds, settings.agents, settings.recipes, settings.percentiles
    ):
        yield Unit(agent, recipe, num_steps, percentile, seed)


def check(settings: Settings) -> Settings:
    """The settings themselves.

    Raises:
        ArgumentError: If a recipe or a correction is unknown, one is named twice, or a number is out of range.
        CheckpointError: If an agent is unknown, or damaged.
    """
    check_recipes(settings.recipes)
    check_different(settings.agents, settings.recipes, settings.steps, settings.percentiles, settings.seeds)
    for name in settings.agents:
        zoo.find(name)
    for percentile in settings.percentiles:
        if percentile is not None:
            check_percentile(percentile)
    for what, numbers, least, most in (
        ("steps", settings.steps, 1, None),
        ("seeds", settings.seeds, 0, _MOST_SEEDS),
        ("episodes", (settings.episodes,), 1, _MOST_EPISODES),
        ("batch", (settings.batch,), 1, None),
        ("calibration", (settings.protocol.calibration,), 1, None),
    ):
        for number in numbers:
            if number < least or (most is not None and number > most):
                limit = "" if most is None else f" and <= {most}"
                raise ArgumentError(
                    f"Expected {what} >= {least}{limit}. Found {number}. Pass another number."
                )
    return settings
