"""Conversion rules: one paper, one file, one pure function `(graph, stats) -> SpikingPlan`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes.diehl2015 import diehl2015
from dqn2snn.recipes.rate import rate
from dqn2snn.recipes.rueckauer2017 import rueckauer2017
from dqn2snn.recipes.sigma_delta import sigma_delta
from dqn2snn.recipes.tan2021 import tan2021

__all__ = ["RECIPES", "Recipe", "diehl2015", "rate", "rueckauer2017", "sigma_delta", "tan2021"]

Recipe = Callable[..., SpikingPlan]
"""Called as `recipe(graph, stats, num_steps=..., grid=...)`, with `percentile=...` if that was asked for."""

RECIPES: Final[dict[str, Recipe]] = {
    "tan2021": tan2021,
    "diehl2015": diehl2015,
    "rueckauer2017": rueckauer2017,
    "rate": rate,
    "sigma_delta": sigma_delta,
}
"""The recipes by name."""
