"""Conversion rules: one paper, one file, one pure function `(graph, stats) -> SpikingPlan`.

Packages add rules by entry points of the group ``dqn2snn.recipes``: `recipe_named` finds them, and so do `convert` and
the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dqn2snn._utils.plugins import load, plugins
from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes.bu2022 import bu2022
from dqn2snn.recipes.burst import burst
from dqn2snn.recipes.deng2021 import deng2021
from dqn2snn.recipes.diehl2015 import diehl2015
from dqn2snn.recipes.rate import rate
from dqn2snn.recipes.rate_if import rate_if
from dqn2snn.recipes.rueckauer2017 import rueckauer2017
from dqn2snn.recipes.sigma_delta import sigma_delta
from dqn2snn.recipes.tan2021 import tan2021
from dqn2snn.recipes.ttfs import ttfs
from dqn2snn.recipes.xu2026 import xu2026

__all__ = [
    "GROUP",
    "RECIPES",
    "Recipe",
    "bu2022",
    "burst",
    "deng2021",
    "diehl2015",
    "placed",
    "rate",
    "rate_if",
    "recipe_named",
    "rueckauer2017",
    "sigma_delta",
    "tan2021",
    "ttfs",
    "xu2026",
]

GROUP: Final = "dqn2snn.recipes"
"""Of the entry points of third parties."""

Recipe = Callable[..., SpikingPlan]
"""Called as `recipe(graph, stats, num_steps=..., grid=...)`, with its own options if some were asked for."""

RECIPES: Final[dict[str, Recipe]] = {
    "rate": rate,
    "rate_if": rate_if,
    "burst": burst,
    "sigma_delta": sigma_delta,
    "ttfs": ttfs,
    "tan2021": tan2021,
    "diehl2015": diehl2015,
    "rueckauer2017": rueckauer2017,
    "deng2021": deng2021,
    "bu2022": bu2022,
    "xu2026": xu2026,
}
"""The recipes by name, the default one first."""


def recipe_named(name: str) -> Recipe:
    """Find a recipe of the package, or of another one that announces it.

    Args:
        name: One of `RECIPES`, or of an entry point.

    Returns:
        Recipe: The function.

    Raises:
        ArgumentError: If nobody has it, or the package that does is broken.

    Example:
        >>> recipe_named("tan2021") is tan2021
        True
    """
    others = plugins(GROUP)
    if isinstance(name, str) and name in RECIPES:
        return RECIPES[name]
    if isinstance(name, str) and name in others:
        recipe: Recipe = load(others[name], "recipe", ArgumentError)
        return recipe
    raise ArgumentError(
        f"Expected a recipe out of {', '.join((*RECIPES, *others))}, or a function. Found {name!r}. Use rate."
    )
