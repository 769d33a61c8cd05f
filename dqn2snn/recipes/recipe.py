"""A recipe as a value: how a network is converted, from the rule to the last correction, in one line of text."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Final, Literal

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan, check_num_steps
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._named import function_of, parsed, step_of
from dqn2snn.recipes._step import Function, Kind, Step, option_parameters, progress_of
from dqn2snn.recipes._values import Value
from dqn2snn.tracing.calibration import ActivationStats, check_percentile
from dqn2snn.tracing.observations import Observations

__all__ = ["Recipe"]

_REFITTED: Final = ("rate", "rate_if", "burst")
_FEW_LEVELS: Final = 64
"""The readout of `_REFITTED` rules is refitted by default up to so many levels. Beyond them it gains little."""

_PERCENTILES: Final = (99.9, 99.99)
"""Percentiles that every calibration takes."""

_STEP_KINDS: Final[tuple[Kind, ...]] = ("correction", "finetuning")
_NONE: Final = "none"


@dataclass(frozen=True, init=False, repr=False)
class Recipe:
    """A rule and the steps after it, each with options.

    The text is `rule[:option=value]...[+step[:option=value]...]`. The rule makes a plan of the network, in raw
    numbers; corrections and fine-tunings change it in the order in which they stand; then it is put on its grid.
    `+none` stands for no steps at all. Without any, `rate`, `rate_if` and `burst` end in `ridge` up to 64 levels
    (spikes that a neuron can send in a decision: T of `rate`, k T of `burst`), and all other rules in nothing.

    Args:
        rule: Text of a whole recipe, or a rule of your own: a function `(graph, stats, *, num_steps, grid)`.
        **options: Options of the rule, beside those in the text.

    Attributes:
        rule: The conversion rule.
        steps: Corrections and fine-tunings in order; None for what is the default of the rule.

    Raises:
        ArgumentError: If a name is unknown, an option of another type, or a percentile not in (1, 100].

    Example:
        >>> Recipe("rate:threshold=max+ftbc+ridge_all")
        Recipe('rate:threshold=max+ftbc+ridge_all')
        >>> Recipe("burst", max_spikes=4).then("ridge", strength=0.001)
        Recipe('burst:max_spikes=4+ridge:strength=0.001')
        >>> Recipe("burst:max_spikes=4") == Recipe("burst", max_spikes=4)
        True
    """

    rule: Step
    steps: tuple[Step, ...] | None

    def __init__(self, rule: str | Function, **options: Value) -> None:
        if callable(rule):
            self._set(step_of(rule, options, "rule"), None)
            return
        if not isinstance(rule, str):
            raise ArgumentError(
                f"Expected the text of a recipe, or a function. Found {rule!r}. Pass recipe='rate', say."
            )
        head, *steps = rule.split("+")
        changes = [] if steps == [_NONE] else [step_of(*parsed(step, {}), *_STEP_KINDS) for step in steps]
        self._set(step_of(*parsed(head, options), "rule"), tuple(changes) if steps else None)

    @staticmethod
    def of(recipe: str | Recipe) -> Recipe:
        """Read a recipe from its text, or take it as it is.

        Args:
            recipe: The text or the value.

        Returns:
            Recipe: The value.

        Raises:
            ArgumentError: If it is neither, or something in the text is unknown.
        """
        if isinstance(recipe, Recipe):
            return recipe
        if callable(recipe):
            raise ArgumentError(
                f"Expected a recipe as text or as a Recipe. Found the function {recipe!r}. "
                "Pass dqn2snn.recipes.Recipe(function)."
            )
        return Recipe(recipe)

    def then(self, step: str | Function, **options: Value) -> Recipe:
        """Add a step at the end, in place of the rule's default ones.

        Args:
            step: Text of a correction or a fine-tuning, or a function `(plan, graph, observations)` of your own.
            **options: Options of the step, beside those in the text.

        Returns:
            Recipe: Another value.

        Raises:
            ArgumentError: If the step is unknown, or an option of another type.
        """
        named = parsed(step, options) if isinstance(step, str) else (step, options)
        return self._with(self.rule, (*(self.steps or ()), step_of(*named, *_STEP_KINDS)))

    def without_steps(self) -> Recipe:
        """Keep the rule alone.

        Returns:
            Recipe: Another value.
        """
        return self._with(self.rule, ())

    def with_options(self, **options: Value) -> Recipe:
        """Change options of the rule.

        Args:
            **options: Names and values.

        Returns:
            Recipe: Another value.

        Raises:
            ArgumentError: If the rule has no such option, or a value is of another type.
        """
        changed = {**dict(self.rule.options), **options}
        return self._with(step_of(self.rule.function or self.rule.name, changed, "rule"), self.steps)

    def with_default_steps(self, num_steps: int | None = None) -> Recipe:
        """Write out the steps that the rule has by default.

        Args:
            num_steps: T; by default the rule's own.

        Returns:
            Recipe: A recipe whose `steps` are not None.

        Example:
            >>> Recipe("rate").with_default_steps(64), Recipe("rate").with_default_steps(65)
            (Recipe('rate+ridge'), Recipe('rate+none'))
        """
        if self.steps is not None:
            return self
        spikes = self._options().get("max_spikes")
        levels = self.check_num_steps(num_steps) * (spikes if isinstance(spikes, int) else 1)
        return self._with(self.rule, (Step("ridge"),) if levels <= _FEW_LEVELS else ())

    def check_num_steps(self, num_steps: int | None) -> int:
        """Check a number of steps; None becomes the rule's own.

        Raises:
            ArgumentError: If the rule has none of its own.
            PlanError: If it is not a positive whole number.
        """
        if num_steps is not None:
            return check_num_steps(num_steps)
        default = inspect.signature(function_of(self.rule, "rule")).parameters["num_steps"].default
        if default is inspect.Parameter.empty:
            raise ArgumentError(
                f"Expected num_steps for {self.rule.name}, which has no default. Found None. Use 32."
            )
        return check_num_steps(default)

    @property
    def percentile_option(self) -> Literal["percentile", "threshold"] | None:
        """Name of the option that may be a percentile of the activations; None if the rule has none."""
        options = self._options()
        return "percentile" if "percentile" in options else "threshold" if "threshold" in options else None

    @property
    def percentiles(self) -> tuple[float, ...]:
        """Percentiles that calibration has to take."""
        value = self._options().get(self.percentile_option or "")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return _PERCENTILES
        return tuple(sorted({*_PERCENTILES, check_percentile(value)}))

    def plan(
        self,
        graph: LayerGraph,
        stats: ActivationStats,
        observations: Observations,
        *,
        num_steps: int | None = None,
        grid: int | str | None = "auto",
        progress: bool = True,
    ) -> SpikingPlan:
        """Make the plan: the rule on raw numbers, the steps in order, the grid.

        Args:
            graph: The traced network.
            stats: Its calibration, with `percentiles`.
            observations: `[N, *input_shape]`, from which the steps learn.
            num_steps: T; by default the rule's own.
            grid: See `dqn2snn.convert`.
            progress: Show the progress bars of the steps.

        Returns:
            SpikingPlan: Its `recipe` is the text of all that was done.

        Raises:
            ArgumentError: If an option is out of range.
            CalibrationError: If the calibration does not determine the thresholds.
            PlanError: If a step does not go with the plan, or there is no such grid.
        """
        count = self.check_num_steps(num_steps)
        applied = self.with_default_steps(count)
        make, steps = function_of(self.rule, "rule"), applied.steps or ()
        # Some rules have grids of their own; what was corrected needs one for what it has become.
        plan = make(graph, stats, num_steps=count, grid=None if steps else grid, **dict(self.rule.options))
        for step in steps:
            change = function_of(step, *_STEP_KINDS)
            plan = change(plan, graph, observations, **dict(step.options), **progress_of(change, progress))
        return replace(placed(plan, stats, grid) if steps else plan, recipe=str(applied))

    def __str__(self) -> str:
        steps = (Step(_NONE),) if self.steps == () and _is_refitted(self.rule) else self.steps or ()
        return "+".join(map(str, (self.rule, *steps)))

    def __repr__(self) -> str:
        return f"Recipe({str(self)!r})"

    def _with(self, rule: Step, steps: tuple[Step, ...] | None) -> Recipe:
        made: Recipe = object.__new__(Recipe)
        made._set(rule, steps)
        return made

    def _set(self, rule: Step, steps: tuple[Step, ...] | None) -> None:
        object.__setattr__(self, "rule", rule)
        object.__setattr__(self, "steps", steps if _is_refitted(rule) else steps or ())
        _ = self.percentiles  # out of range, it is refused at once

    def _options(self) -> dict[str, object]:
        """All options of the rule, those left out by their defaults."""
        parameters = option_parameters(function_of(self.rule, "rule"), "rule")
        return {name: each.default for name, each in parameters.items()} | dict(self.rule.options)


def _is_refitted(rule: Step) -> bool:
    return rule.function is None and rule.name in _REFITTED
