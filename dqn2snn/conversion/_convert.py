"""From a trained Q-network to a spiking one: trace, calibrate, apply a recipe, correct, put on a grid."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

from torch import Tensor, nn

from dqn2snn._utils.host import on_host
from dqn2snn.analysis.suggestion import check_target, plan_for_target, q_values, split_held_out
from dqn2snn.errors import ArgumentError
from dqn2snn.network import Engine, SpikingQNetwork
from dqn2snn.plan import SpikingPlan, check_num_steps
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import Recipe, burst, placed, rate, rate_if, recipe_named
from dqn2snn.recipes.correction import CORRECTIONS, Correction
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import ActivationStats, calibrate, check_percentile
from dqn2snn.tracing.observations import Observations, as_tensor

__all__ = ["Corrections", "convert"]

Corrections = Sequence[str | Correction]
"""Names of corrections or functions like them, in the order in which they are made."""

_REFITTED, _FEW, _ENOUGH = (rate, rate_if, burst), 64, 64
"""Recipes whose readout is refitted by default up to so many levels, if there are so many observations. With more
levels there is little left to be gained."""

_PERCENTILES = (99.9, 99.99)
"""That calibration takes in any case."""


@on_host()
def convert(
    q_network: nn.Module,
    observations: Observations,
    *,
    recipe: str | Recipe = "rate",
    num_steps: int | None = None,
    target_agreement: float | None = None,
    held_out: Observations | None = None,
    percentile: float | None = None,
    corrections: str | Correction | Corrections | None = None,
    grid: int | str | None = "auto",
    backend: str = "snntorch",
    engine: Engine = "auto",
    progress: bool = False,
) -> SpikingQNetwork:
    """Convert a trained deep Q-network to a spiking network that takes the same decisions.

    The network itself is not changed. Neither rewards nor labels are needed, only observations, which say how
    strongly each layer is active on states that the agent meets (a few thousand, from
    `dqn2snn.collect_observations`, do).

    Args:
        q_network: Maps observations `[B, *shape]` to Q-values `[B, A]`; made of ReLUs and affine layers.
        observations: `[N, *shape]`, exactly as the network sees them.
        recipe: The conversion rule, a name out of `dqn2snn.recipes.RECIPES` ("rate", "burst", "sigma_delta",
            "tan2021", ...) or a function like them; `functools.partial(burst, max_spikes=4)` has options.
        num_steps: Time steps of a decision; by default the recipe's own, 32 of "rate".
        target_agreement: In place of `num_steps`: take the fewest steps with which so large a share of
            decisions on held-out observations is the DQN's. They are predicted and then confirmed by
            simulation; `plan.report` says what was tried.
        held_out: On which that is confirmed; by default the last fifth of `observations`, which then serve no
            calibration. Of recipes that remember ("sigma_delta"), in the order of play.
        percentile: Of the activations, in (1, 100], for the recipes that have one; by default their own.
        corrections: What is refitted on the observations afterwards, names out of `dqn2snn.correction.CORRECTIONS`
            ("ridge", ...) or functions like them; () for nothing, None for what suits the recipe.
        grid: "auto" puts weights on the finest fixed-point grid of each layer on which all backends give the same
            spikes; a number fixes its fraction bits; None keeps raw floats.
        backend: Whose neurons the network is built of: "snntorch", "norse", or a name out of
            `dqn2snn.neurons.backends.backend_names()`.
        engine: How it is simulated by default: see `SpikingQNetwork`.
        progress: Show a progress bar.

    Returns:
        SpikingQNetwork: The spiking network, with its plan; on the CPU.

    Raises:
        ArgumentError: If an argument is out of range, or the backend unknown.
        CalibrationError: If the observations do not determine the thresholds.
        MissingExtraError: If the backend is not installed.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        PlanError: If no grid is exact over `num_steps` steps, or 500 steps do not reach the target.
        UnsupportedModuleError: If the network has something without an exact spiking counterpart.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> q_network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> snn = convert(q_network, torch.rand(100, 4), num_steps=16)
        >>> snn.plan.recipe, snn.plan.num_steps
        ('rate', 16)
    """
    rule = _Rule.of(recipe, num_steps, percentile)
    wanted = None if corrections is None else _checked(corrections)
    target = _checked_target(target_agreement, num_steps, held_out)
    batch, judges = as_tensor(observations), None
    if target is not None:
        batch, judges = split_held_out(batch, held_out)
    graph = trace(q_network, tuple(batch.shape[1:]))
    stats = calibrate(graph, batch, rule.percentiles, progress=progress)

    def plan(corrections: Corrections | None, grid: int | str | None, num_steps: int | None) -> SpikingPlan:
        return _plan(rule.at(num_steps), corrections, graph, stats, batch, grid)

    env_id = getattr(q_network, "env_id", "")
    if target is None or judges is None:
        return SpikingQNetwork(plan(wanted, grid, num_steps), backend, engine, env_id=env_id)
    q_dqn = q_values(graph, judges)
    raw, final = partial(plan, (), None), partial(plan, wanted, grid)
    found = plan_for_target(raw, final, judges, q_dqn, target, engine=engine, progress=progress)
    return SpikingQNetwork(found, backend, engine, env_id=env_id)


def _plan(
    rule: _Rule,
    corrections: Corrections | None,
    graph: LayerGraph,
    stats: ActivationStats,
    observations: Tensor,
    grid: int | str | None,
) -> SpikingPlan:
    """The recipe's plan, corrected, on its grid: corrections need raw numbers, and a grid for what they have made."""
    if corrections is None:
        corrections = rule.own_corrections(len(observations))
    if not corrections:
        return rule.build(graph, stats, grid=grid, **rule.options)
    plan = rule.build(graph, stats, grid=None, **rule.options)
    for correction in corrections:
        correct = CORRECTIONS[correction] if isinstance(correction, str) else correction
        plan = correct(plan, graph, observations)
    return placed(plan, stats, grid)


def _checked_target(
    target: float | None, num_steps: int | None, held_out: Observations | None
) -> float | None:
    if target is None and held_out is None:
        return None
    if target is None or num_steps is not None:
        raise ArgumentError(
            f"Expected target_agreement in place of num_steps, with held_out or without. Found "
            f"target_agreement={target!r} and num_steps={num_steps!r}. Leave one out."
        )
    return check_target(target)


def _checked(corrections: str | Correction | Corrections) -> Corrections:
    given = (corrections,) if isinstance(corrections, str) or callable(corrections) else corrections
    if not isinstance(given, Sequence) or not all(callable(each) or each in CORRECTIONS for each in given):
        raise ArgumentError(
            f"Expected corrections out of {', '.join(CORRECTIONS)}, or functions. Found {corrections!r}. "
            "Use () for none."
        )
    return tuple(given)


@dataclass(frozen=True)
class _Rule:
    """A recipe with what was asked of it."""

    build: Recipe
    options: dict[str, Any]
    percentiles: tuple[float, ...]

    @staticmethod
    def of(recipe: str | Recipe, num_steps: int | None, percentile: float | None) -> _Rule:
        build = _recipe(recipe)
        parameters = inspect.signature(build).parameters
        options: dict[str, Any] = {}
        if num_steps is not None:
            options["num_steps"] = check_num_steps(num_steps)
        elif parameters["num_steps"].default is inspect.Parameter.empty:
            raise ArgumentError(
                f"Expected num_steps for {_name(build)}, which has no default. Found None. Use 32."
            )
        if percentile is not None:
            options[_option(build, percentile)] = check_percentile(percentile)
        asked = [options.get(name, parameters[name].default) for name in _NAMES if name in parameters]
        taken = [float(p) for p in asked if isinstance(p, Real) and not isinstance(p, bool)]
        return _Rule(build, options, tuple(sorted({*_PERCENTILES, *taken})))

    def at(self, num_steps: int | None) -> _Rule:
        """The same for a number of steps."""
        return self if num_steps is None else replace(self, options={**self.options, "num_steps": num_steps})

    def own_corrections(self, observations: int) -> Corrections:
        """What suits the recipe: where neurons can say little, a readout that makes the most of it."""
        build = self.build.func if isinstance(self.build, partial) else self.build
        defaults = {name: each.default for name, each in inspect.signature(self.build).parameters.items()}
        asked = {**defaults, **self.options}
        if build not in _REFITTED or observations < _ENOUGH:
            return ()
        return ("ridge",) if asked["num_steps"] * asked.get("max_spikes", 1) <= _FEW else ()


_NAMES = ("percentile", "threshold")
"""Options of recipes that may be a percentile."""


def _option(build: Recipe, percentile: float) -> str:
    """What a recipe calls its percentile."""
    parameters = inspect.signature(build).parameters
    for name in _NAMES:
        if name in parameters:
            return name
    raise ArgumentError(
        f"Expected no percentile for {_name(build)}, which has none. Found {percentile!r}. Leave it out."
    )


def _name(build: Recipe) -> str:
    return getattr(build, "__name__", repr(build))


def _recipe(recipe: str | Recipe) -> Recipe:
    if callable(recipe):
        return recipe
    return recipe_named(recipe)
