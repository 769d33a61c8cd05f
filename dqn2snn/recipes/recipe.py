"""A recipe as a value: how a network is converted, from the rule to the last correction, in one line of text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from dqn2snn.errors import ArgumentError
from dqn2snn.plan import SpikingPlan, check_num_steps
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes._assemble import placed
from dqn2snn.recipes._step import Function, Step, checked_options, option_parameters, progress_of
from dqn2snn.recipes._values import Value
from dqn2snn.recipes.registry import Kind, entry_named, names_of
from dqn2snn.tracing.calibration import ActivationStats, check_percentile
from dqn2snn.tracing.observations import Observations

__all__ = ["Recipe"]

_REFITTED: Final = ("rate", "rate_if", "burst")
_FEW_LEVELS: Final = 64
"""Rules whose readout is refitted by default, up to so many levels. With more there is little left to gain."""

_PERCENTILES: Final = (99.9, 99.99)
"""Taken by calibration in any case."""

_STEP_KINDS: Final[tuple[Kind, ...]] = ("correction", "finetuning")
_BEFORE_OPTIONS: Final[dict[Kind, int]] = {"rule": 2, "correction": 3, "finetuning": 3}
"""Parameters that are no options: graph and calibration, or plan, graph and observations."""

_NONE: Final = "none"


@dataclass(frozen=True, init=False, repr=False)
class Recipe:
    """A rule and the steps after it, each with options.

    The text is `rule[:option=value]...[+step[:option=value]...]`. The rule makes a plan of the network, in raw
    numbers; corrections and fine-tunings change it in the order in which they stand; then it is put on its grid.
    `+none` stands for no steps at all. Without any, `rate`, `rate_if` and `burst` end in `ridge` up to 64 levels
    (spikes that a neuron can send in a decision: T of `rate`, k T of `burst`), and all other rules in nothing.

    Args:
        rule: The text of a whole recipe, or a rule of your own: a function `(graph, stats, *, num_steps, grid)`.
        **options: Of the rule, beside those in the text.

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
            self._set(_step(rule, options, "rule"), None)
            return
        if not isinstance(rule, str):
            raise ArgumentError(
                f"Expected the text of a recipe, or a function. Found {rule!r}. Pass recipe='rate', say."
            )
        head, *steps = rule.split("+")
        changes = [] if steps == [_NONE] else [_step(*_parsed(step, {}), *_STEP_KINDS) for step in steps]
        self._set(_step(*_parsed(head, options), "rule"), tuple(changes) if steps else None)

    @staticmethod
    def of(recipe: str | Recipe) -> Recipe:
        """The recipe itself, or the one of a text.

        Args:
            recipe: Either.

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
        """The recipe with one more step at its end, in place of the rule's default ones.

        Args:
            step: The text of a correction or a fine-tuning, or a function `(plan, graph, observations)` of your own.
            **options: Of the step, beside those in the text.

        Returns:
            Recipe: Another value.

        Raises:
            ArgumentError: If the step is unknown, or an option of another type.
        """
        named = _parsed(step, options) if isinstance(step, str) else (step, options)
        added = _step(*named, *_STEP_KINDS)
        return self._with(self.rule, (*(self.steps or ()), added))

    def without_steps(self) -> Recipe:
        """The recipe with its rule alone.

        Returns:
            Recipe: Another value.
        """
        return self._with(self.rule, ())

    def with_options(self, **options: Value) -> Recipe:
        """The recipe with other options of its rule.

        Args:
            **options: Names and values.

        Returns:
            Recipe: Another value.

        Raises:
            ArgumentError: If the rule has no such option, or a value is of another type.
        """
        changed = {**dict(self.rule.options), **options}
        return self._with(_step(self.rule.function or self.rule.name, changed, "rule"), self.steps)

    def with_default_steps(self, num_steps: int | None = None) -> Recipe:
        """The recipe with the steps written out that it has by default.

        Args:
            num_steps: T; by default the rule's own.

        Returns:
            Recipe: Whose `steps` are not None.

        Example:
            >>> Recipe("rate").with_default_steps(64), Recipe("rate").with_default_steps(65)
            (Recipe('rate+ridge'), Recipe('rate+none'))
        """
        if self.steps is not None:
            return self
        spikes = self._value("max_spikes")
        levels = self.check_num_steps(num_steps) * (spikes if isinstance(spikes, int) else 1)
        return self._with(self.rule, (Step("ridge"),) if levels <= _FEW_LEVELS else ())

    def check_num_steps(self, num_steps: int | None) -> int:
        """The number of steps, or the rule's own for None.

        Raises:
            ArgumentError: If the rule has none of its own.
            PlanError: If it is not a positive whole number.
        """
        if num_steps is not None:
            return check_num_steps(num_steps)
        default = inspect.signature(_function(self.rule, "rule")).parameters["num_steps"].default
        if default is inspect.Parameter.empty:
            raise ArgumentError(
                f"Expected num_steps for {self.rule.name}, which has no default. Found None. Use 32."
            )
        return check_num_steps(default)

    @property
    def percentile_option(self) -> Literal["percentile", "threshold"] | None:
        """What the rule calls the percentile of the activations that it goes by; None if there is none."""
        parameters = option_parameters(_function(self.rule, "rule"), _BEFORE_OPTIONS["rule"])
        return (
            "percentile" if "percentile" in parameters else "threshold" if "threshold" in parameters else None
        )

    @property
    def percentiles(self) -> tuple[float, ...]:
        """Percentiles that calibration has to take."""
        value = None if self.percentile_option is None else self._value(self.percentile_option)
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
            observations: `[N, *input_shape]`, what the steps learn from.
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
        make, steps = _function(self.rule, "rule"), applied.steps or ()
        # Some rules have grids of their own; what was corrected needs one for what it has become.
        plan = make(graph, stats, num_steps=count, grid=None if steps else grid, **dict(self.rule.options))
        for step in steps:
            change = _function(step, *_STEP_KINDS)
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

    def _value(self, option: str) -> object:
        """What was asked for, or the default."""
        options = dict(self.rule.options)
        if option in options:
            return options[option]
        parameters = option_parameters(_function(self.rule, "rule"), _BEFORE_OPTIONS["rule"])
        return parameters[option].default if option in parameters else None


def _is_refitted(rule: Step) -> bool:
    return rule.function is None and rule.name in _REFITTED


def _function(step: Step, *kinds: Kind) -> Function:
    return step.function or entry_named(step.name, *kinds).function


def _step(named: str | Function, options: Mapping[str, object], *kinds: Kind) -> Step:
    """A step by the name of its function, or by a function, which need not be in the registry."""
    if isinstance(named, str) or not callable(named):
        name, function, own = named, entry_named(named, *kinds).function, None
    else:
        name, function = _name(named), named
        own = None if _is_registered(name, named, *kinds) else named
    return Step(name, checked_options(function, name, options, _BEFORE_OPTIONS[kinds[0]]), own)


def _name(function: Function) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise ArgumentError(
            f"Expected a function with a name. Found {function!r}. Pass the function itself, and its options beside it."
        )
    return name


def _is_registered(name: str, function: Function, *kinds: Kind) -> bool:
    return name in names_of(*kinds) and entry_named(name, *kinds).function is function


def _parsed(text: str, options: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """The name in the text of one step, and its options, those in the text and others."""
    name, *written = text.split(":")
    found = dict(options)
    for each in written:
        option, equals, value = each.partition("=")
        if not equals:
            raise ArgumentError(
                f"Expected options as name=value. Found {each!r} in {text!r}. Write {name}:name=value."
            )
        if option in found:
            raise ArgumentError(f"Expected {option} of {name} once. Found it twice. Leave one out.")
        found[option] = value
    return name, found
