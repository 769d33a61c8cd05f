"""Agents, recipes and episodes of a benchmark, and its conditions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dqn2snn.benchmark._perturb import NONE, Perturbation
from dqn2snn.errors import ArgumentError
from dqn2snn.io import zoo
from dqn2snn.io.checkpoints import load_q_network
from dqn2snn.recipes import Recipe
from dqn2snn.tracing.calibration import check_percentile

DQN = "dqn"
"""The name under which the DQN itself plays."""

CLIPPED = "clipped"
"""The name under which the DQN plays whose activations are clipped at the thresholds of `tan2021`: what that recipe
tends to in unlimited time, and so the control that tells clipping from all that short time does."""

SEED_STRIDE = 2**21
"""From one seed of the benchmark to the next. Episode ``i`` of seed ``s`` is episode ``i`` of `rollout.play` with the
seed ``s * SEED_STRIDE``, so that no two seeds share an episode, nor one that conversions are calibrated on."""

_MOST_SEEDS, _MOST_EPISODES = 1000, 2**20


@dataclass(frozen=True)
class Conditions:
    """The conditions of a benchmark. One directory has one set of them.

    Attributes:
        epsilon: Probability of a random action; 0.05 in Tan et al. (2021).
        calibration: Observations that a conversion sees.
        max_episode_steps: Ends an episode, beside the environment's own limit.
    """

    epsilon: float = 0.05
    calibration: int = 5000
    max_episode_steps: int | None = None

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Conditions:
        """The conditions that a file names."""
        return Conditions(entry["epsilon"], entry["calibration"], entry["max_steps"])

    @property
    def key(self) -> dict[str, Any]:
        """How a file names them."""
        return {"epsilon": self.epsilon, "calibration": self.calibration, "max_steps": self.max_episode_steps}


@dataclass(frozen=True)
class Unit:
    """A network that plays: a conversion, or the DQN itself.

    Attributes:
        agent: Name or directory of the agent.
        recipe: Name of the recipe with options and corrections, `DQN` or `CLIPPED`.
        num_steps: T; 0 of the DQN, clipped or not.
        percentile: Of the activations; None for the recipe's own, and of the DQN.
        seed: Determines calibration and episodes.
        perturbation: What spoils observations or weights, a name that `Perturbation.of` reads.
    """

    agent: str
    recipe: str
    num_steps: int
    percentile: float | None
    seed: int
    perturbation: str = NONE

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Unit:
        """Whose a line of the file is."""
        return Unit(
            *(entry[name] for name in ("agent", "recipe", "num_steps", "percentile", "seed", "perturbation"))
        )

    @property
    def key(self) -> dict[str, Any]:
        """How a line of the file begins."""
        return dict(vars(self))

    @property
    def first_seed(self) -> int:
        """Episode 0 starts from it."""
        return self.seed * SEED_STRIDE

    def __str__(self) -> str:
        name = "DQN" if self.recipe == DQN else self.recipe
        steps = f" T={self.num_steps}" if self.num_steps else ""
        percentile = "" if self.percentile is None else f" percentile={self.percentile:g}"
        perturbation = "" if self.perturbation == NONE else f" {self.perturbation}"
        return f"{self.agent} {name}{steps}{percentile}{perturbation} seed={self.seed}"


@dataclass(frozen=True)
class Settings:
    """Which episodes are played, and how.

    Attributes:
        agents: Names of shipped agents, or directories with one each.
        recipes: Texts of `Recipe`s, "rate" or "sigma_delta:levels=32+ridge", or `CLIPPED`.
        num_steps: T, each of them.
        percentiles: Of the activations; None for the recipe's own.
        seeds: Each is a calibration and episodes of its own.
        perturbations: Under each of which all play; names that `Perturbation.of` reads.
        episodes: Episodes of each seed that everybody plays.
        conditions: The same for all that is in one file.
        engine: What simulates; on the grid all give the same.
        batch: Episodes that are played side by side, and are there together; their course does not depend on it.
    """

    agents: tuple[str, ...] = zoo.names()
    recipes: tuple[str, ...] = ("rate",)
    num_steps: tuple[int, ...] = (32,)
    percentiles: tuple[float | None, ...] = (None,)
    seeds: tuple[int, ...] = (0,)
    perturbations: tuple[str, ...] = (NONE,)
    episodes: int = 50
    conditions: Conditions = Conditions()
    engine: str = "auto"
    batch: int = 1


def units(settings: Settings) -> Iterator[Unit]:
    """All networks in the order in which they play: few steps first, since they are cheap.

    Example:
        >>> settings = Settings(agents=("cartpole",), recipes=("rate", "tan2021"), num_steps=(4,))
        >>> [str(unit) for unit in units(settings)]
        ['cartpole DQN seed=0', 'cartpole rate T=4 seed=0', 'cartpole tan2021 T=4 seed=0']
    """
    bases = [
        Unit(agent, DQN, 0, None, seed, perturbation)
        for perturbation, seed, agent in itertools.product(
            settings.perturbations, settings.seeds, settings.agents
        )
    ]
    yield from bases
    recipes = [recipe for recipe in settings.recipes if recipe != CLIPPED]
    if CLIPPED in settings.recipes:
        for base, percentile in itertools.product(bases, settings.percentiles):
            yield replace(base, recipe=CLIPPED, percentile=percentile)
    for num_steps, base, recipe, percentile in itertools.product(
        sorted(settings.num_steps), bases, recipes, settings.percentiles
    ):
        yield replace(base, recipe=recipe, num_steps=num_steps, percentile=percentile)


def check(settings: Settings) -> Settings:
    """The settings themselves.

    Raises:
        ArgumentError: If a recipe, a correction or a perturbation is unknown, one is named twice, or a number is out
            of range.
        CheckpointError: If an agent is unknown, or damaged.
    """
    for recipe in settings.recipes:
        if recipe != CLIPPED:
            Recipe(recipe)
    check_different(
        settings.agents, settings.recipes, settings.num_steps, settings.percentiles, settings.seeds
    )
    check_different(tuple(map(Perturbation.of, settings.perturbations)))
    for name in settings.agents:
        if not load_q_network(name).env_id:
            raise ArgumentError(
                f"Expected agents whose environment is known. Found {name!r}, which does not name it. Call its file "
                'after it, such as "dqn-CartPole-v1.pt".'
            )
    for percentile in settings.percentiles:
        if percentile is not None:
            check_percentile(percentile)
    for what, numbers, least, most in (
        ("steps", settings.num_steps, 1, None),
        ("seeds", settings.seeds, 0, _MOST_SEEDS),
        ("episodes", (settings.episodes,), 1, _MOST_EPISODES),
        ("batch", (settings.batch,), 1, None),
        ("calibration", (settings.conditions.calibration,), 1, None),
    ):
        for number in numbers:
            if number < least or (most is not None and number > most):
                limit = "" if most is None else f" and <= {most}"
                raise ArgumentError(
                    f"Expected {what} >= {least}{limit}. Found {number}. Pass another number."
                )
    return settings


def check_different(*lists: tuple[Any, ...]) -> None:
    """Refuse what is named twice.

    Args:
        *lists: Agents, recipes, steps and the like.

    Raises:
        ArgumentError: If something stands twice in one of them.
    """
    for named in lists:
        if len(set(named)) != len(named):
            raise ArgumentError(
                f"Expected different agents, recipes and steps. Found {', '.join(map(str, named))}. "
                "Name each once."
            )
