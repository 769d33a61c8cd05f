"""The names under which recipes stand in benchmarks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes import recipe_named
from dqn2snn.recipes.correction import CORRECTIONS

__all__ = ["Rule", "check_different", "check_recipes"]


@dataclass(frozen=True)
class Rule:
    """What a name in the table stands for.

    Attributes:
        name: Of the recipe.
        options: Of the recipe, beside the number of steps.
        corrections: Made afterwards; None for those that `dqn2snn.convert` makes by itself.
    """

    name: str
    options: tuple[tuple[str, float | str], ...] = ()
    corrections: tuple[str, ...] | None = None

    @staticmethod
    def of(recipe: str) -> Rule:
        """Read a name: recipe, then options behind colons, then corrections behind plus signs.

        Raises:
            ArgumentError: If an option has no value.

        Example:
            >>> Rule.of("sigma_delta:levels=32+ridge")
            Rule(name='sigma_delta', options=(('levels', 32),), corrections=('ridge',))
            >>> Rule.of("rate").corrections, Rule.of("rate+none").corrections
            (None, ())
        """
        head, *corrections = recipe.split("+")
        name, *options = head.split(":")
        made = None if not corrections else () if corrections == ["none"] else tuple(corrections)
        return Rule(name, tuple(map(_option, options)), made)

    @property
    def build(self) -> str | Callable[..., SpikingPlan]:
        """What `dqn2snn.convert` takes as its recipe."""
        return partial(recipe_named(self.name), **dict(self.options)) if self.options else self.name


def _option(text: str) -> tuple[str, float | str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentError(
            f"Expected options of recipes as name=value. Found {text!r}. Write levels=32, say."
        )
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def check_recipes(recipes: tuple[str, ...]) -> None:
    """Refuse names that `Rule.of` reads but nobody knows.

    Args:
        recipes: The names.

    Raises:
        ArgumentError: If a recipe, an option of it or a correction is unknown.
    """
    rules = [Rule.of(recipe) for recipe in recipes]
    _known("correction", tuple(each for rule in rules for each in rule.corrections or ()), tuple(CORRECTIONS))
    for rule in rules:
        options = tuple(inspect.signature(recipe_named(rule.name)).parameters)
        _known(f"option of {rule.name}", tuple(name for name, _ in rule.options), options)


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


def _known(what: str, found: tuple[str, ...], known: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            raise ArgumentError(
                f"Expected {what} out of {', '.join(known)}. Found {name!r}. Name one of these."
            )
