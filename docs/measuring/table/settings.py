"""What the table measures, under which conditions, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dqn2snn.benchmark._settings import check_different
from dqn2snn.errors import ArgumentError
from dqn2snn.io import zoo
from dqn2snn.recipes import Recipe, names_of

__all__ = ["DQN", "Cell", "Conditions", "Settings", "cells", "check"]

DQN = "dqn"
"""The name under which the DQN itself, and random play, stand in the table."""

CODES = frozenset({"digits", "leaky"})
"""Rules that stand in a table of their own, `measuring.codes`: their steps are others."""

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 500)


@dataclass(frozen=True)
class Conditions:
    """The conditions of a table. One file has one set of them.

    Attributes:
        episodes: Episodes that everybody plays, and from which held-out states are taken.
        seed: Determines everything.
        calibration: Observations that a conversion sees.
        calibration_epsilon: Probability of a random action in the play that they and the held-out states come from.
        calibration_episodes: That those observations come from, at least.
        window: Consecutive decisions of each held-out episode.
    """

    episodes: int = 30
    seed: int = 0
    calibration: int = 5000
    calibration_epsilon: float = 0.05
    calibration_episodes: int = 8
    window: int = 100

    def __post_init__(self) -> None:
        if self.episodes < 2 or self.window < 2:
            raise ArgumentError(
                f"Expected two episodes and windows of two decisions, or more. Found {self.episodes} and "
                f"{self.window}. Intervals need several; the page has 30 and 100."
            )


@dataclass(frozen=True)
class Settings:
    """Which cells are measured, and how.

    Attributes:
        agents: Names of shipped agents, or of Atari agents at hand.
        recipes: Names that `Rule.of` reads.
        num_steps: T, each of them.
        conditions: The same for all that is in one file.
        engine: What simulates; on the grid all give the same.
        play: Whether everybody plays, too, or is only judged on held-out states, which costs far less.
    """

    agents: tuple[str, ...] = zoo.names()
    recipes: tuple[str, ...] = tuple(name for name in names_of("rule") if name not in CODES)
    num_steps: tuple[int, ...] = STEPS
    conditions: Conditions = Conditions()
    engine: str = "auto"
    play: bool = True


@dataclass(frozen=True)
class Cell:
    """One place in the table.

    Attributes:
        agent: Name of the agent.
        recipe: Text of the `Recipe`, or `DQN`.
        num_steps: T; 0 of the DQN.
    """

    agent: str
    recipe: str
    num_steps: int

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Cell:
        """The place of a line of the file."""
        return Cell(entry["agent"], entry["recipe"], entry["num_steps"])

    @property
    def key(self) -> dict[str, Any]:
        """How a line of the file begins."""
        return {"agent": self.agent, "recipe": self.recipe, "num_steps": self.num_steps}

    def __str__(self) -> str:
        return f"{self.agent} {self.recipe} T={self.num_steps}"


def cells(settings: Settings) -> Iterator[Cell]:
    """All places in the order in which they are measured: few steps first, since they are cheap.

    Example:
        >>> settings = Settings(agents=("cartpole", "acrobot"), recipes=("rate",), num_steps=(1, 2))
        >>> [cell.num_steps for cell in cells(settings)]
        [0, 0, 1, 1, 2, 2]
    """
    for agent in settings.agents:
        yield Cell(agent, DQN, 0)
    for num_steps in sorted(settings.num_steps):
        for agent in settings.agents:
            for recipe in settings.recipes:
                yield Cell(agent, recipe, num_steps)


def check(settings: Settings) -> Settings:
    """The settings themselves.

    Raises:
        ArgumentError: If an agent, or a name in a recipe, is unknown, or one is named twice.
    """
    _known("agent", settings.agents, (*zoo.names(), *zoo.atari_names()))
    for recipe in settings.recipes:
        Recipe(recipe)
    check_different(settings.agents, settings.recipes, settings.num_steps)
    return settings


def _known(what: str, found: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            raise ArgumentError(
                f"Expected {what} out of {', '.join(known)}. Found {name!r}. Name one of these."
            )
