"""`suggest`: which recipe, which thresholds, how many steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn._clusters import Vector
from dqn2snn._host import on_host
from dqn2snn.calibration import calibrate
from dqn2snn.confidence import Interval
from dqn2snn.errors import ArgumentError
from dqn2snn.graph import LayerGraph
from dqn2snn.observations import Observations, as_tensor
from dqn2snn.plan import SpikingPlan
from dqn2snn.recipes import RECIPES
from dqn2snn.suggestion._predict import STEPS, Prediction, predict_agreement
from dqn2snn.table import format_table
from dqn2snn.tracing import trace

__all__ = ["Option", "Suggestion", "Threshold", "check_target", "predict_over_steps", "suggest"]

Threshold = str | float
"""Which activation of a channel is its largest: "auto", "max", or a percentile."""

THRESHOLDS: tuple[Threshold, ...] = ("auto", "max", 99.99, 99.9)
_SHOWN = (4, 8, 16, 32, 64, 128, 500)
_BURST = 8


@dataclass(frozen=True)
class Option:
    """One way to convert.

    Attributes:
        recipe: Name of the conversion rule.
        threshold: Of the channels.
        levels: Different activations that a neuron can tell: T of a single spike a step, k T of k, L of a level.
        num_steps: T, the smallest for which the target is predicted, or that of the highest agreement where it is not.
            None of "sigma_delta", which is predicted as settled.
        max_spikes: k, at most in one step.
        agreement: Predicted; where the target is not reached, the best.
        reached: Whether the target is.
    """

    recipe: str
    threshold: Threshold
    levels: int
    num_steps: int | None
    max_spikes: int
    agreement: Interval
    reached: bool

    @property
    def text(self) -> str:
        """The arguments of `convert`."""
        words = [f'recipe="{self.recipe}"', f"threshold={self.threshold!r}"]
        if self.num_steps is not None:
            words.append(f"num_steps={self.num_steps}")
        if self.recipe == "sigma_delta":
            words.append(f"levels={self.levels}")
        if self.max_spikes > 1:
            words.append(f"max_spikes={self.max_spikes}")
        return ", ".join(words)


@dataclass(frozen=True)
class Suggestion:
    """What to expect of each way to convert, and which way to take.

    Attributes:
        target: Agreement that was asked for.
        observations: Number of observations.
        curves: Predicted agreement over the number of levels, for each threshold rule.
        options: The best threshold rule of each recipe, in the order "rate", "rate_if", "burst", "sigma_delta".
    """

    target: float
    observations: int
    curves: tuple[tuple[Threshold, Prediction], ...]
    options: tuple[Option, ...]

    @property
    def best(self) -> Option:
        """The first option that reaches the target, or else the one with the highest agreement."""
        reached = [option for option in self.options if option.reached]
        return reached[0] if reached else max(self.options, key=lambda option: option.agreement.mean)

    def __str__(self) -> str:
        levels = [level for level in _SHOWN if level <= self.curves[0][1].steps[-1]]
        rows = [
            [str(threshold), *(f"{100 * curve.at(level).mean:.1f}" for level in levels)]
            for threshold, curve in self.curves
        ]
        reached = [
            [
                option.recipe,
                str(option.threshold),
                "settled"
                if option.recipe == "sigma_delta"
                else "-"
                if option.num_steps is None
                else str(option.num_steps),
                str(option.max_spikes),
                str(option.levels),
                _percent(option.agreement),
            ]
            for option in self.options
        ]
        verdict = "Take" if self.best.reached else "No way reaches it. Nearest is"
        return (
            f"Predicted agreement on {self.observations:,} observations, %, after so many steps of rate:\n"
            f"{format_table(['threshold', *map(str, levels)], rows)}\n\n"
            f"For {100 * self.target:g} %, with the 95 % interval of sampling and prediction:\n"
            f"{format_table(['recipe', 'threshold', 'steps', 'spikes a step', 'levels', 'predicted'], reached)}\n\n"
            f"{verdict} {self.best.text}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries that `json.dumps` takes."""
        return {
            "target": self.target,
            "observations": self.observations,
            "curves": [
                {
                    "threshold": threshold,
                    "steps": list(curve.steps),
                    "agreement": [vars(agreed) for agreed in curve.agreement],
                }
                for threshold, curve in self.curves
            ],
            "options": [{**vars(option), "agreement": vars(option.agreement)} for option in self.options],
            "best": self.best.text,
        }


@on_host()
def suggest(
    q_network: nn.Module,
    observations: Observations,
    target: float = 0.99,
    *,
    thresholds: Sequence[Threshold] = THRESHOLDS,
    steps: Sequence[int] = STEPS,
    max_spikes: int = _BURST,
    max_observations: int = 500,
    episodes: Vector | None = None,
    progress: bool = False,
) -> Suggestion:
    """Say which recipe, thresholds and number of steps make a network agree, before anything is simulated.

    Thresholds are calibrated on all observations. Agreement is predicted by `predict_agreement` on some of
    them, taken evenly. All recipes tell activations in levels, so that one prediction serves them: a neuron
    that sends k spikes a step has k T levels after T steps, one that tells changes of a level has L.

    Args:
        q_network: Maps observations `[B, *shape]` to Q-values `[B, A]`.
        observations: `[N, *shape]`, states that the agent meets.
        target: Agreement that is wanted, in (0, 1).
        thresholds: Rules for the thresholds: "auto", "max", or percentiles.
        steps: Increasing numbers of steps to look at.
        max_spikes: k of "burst" and "sigma_delta".
        max_observations: On which to predict; a few hundred tell agreement to a few percent.
        episodes: Id of each observation's episode, for intervals that know that decisions of one are alike.
        progress: Show progress bars.

    Returns:
        Suggestion: Print it for a table; `best.text` has the arguments of `convert`.

    Raises:
        ArgumentError: If an argument is out of range.
        CalibrationError: If the observations do not determine the thresholds.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        UnsupportedModuleError: If the network has something without an exact spiking counterpart.

    Example:
        >>> import dqn2snn
        >>> agent = dqn2snn.zoo.load("acrobot")
        >>> observations = dqn2snn.collect_observations(agent.env_id, agent.network, 300, seed=0, progress=False)
        >>> suggestion = suggest(agent.network, observations, 0.95, thresholds=("max",), steps=(4, 8, 16, 32))
        >>> [option.num_steps for option in suggestion.options[:3]]
        [16, 16, 4]
    """
    goal = check_target(target)
    batch = as_tensor(observations)
    graph = trace(q_network, tuple(batch.shape[1:]))
    percentiles = tuple(rule for rule in thresholds if not isinstance(rule, str))
    stats = calibrate(graph, batch, (*percentiles, 99.9, 99.99), progress=progress)
    rows = torch.linspace(0, len(batch) - 1, min(max_observations, len(batch))).round().long()
    some, q_dqn = batch[rows].cpu(), _q_values(graph, batch[rows].cpu())
    groups = None if episodes is None else torch.as_tensor(episodes)[rows]

    def plan(num_steps: int, threshold: Threshold) -> SpikingPlan:
        return RECIPES["rate"](graph, stats, num_steps=num_steps, threshold=threshold, grid=None)

    curves = tuple(
        (
            rule,
            predict_over_steps(partial(plan, threshold=rule), some, q_dqn, steps, groups, progress=progress),
        )
        for rule in thresholds
    )
    return Suggestion(goal, len(some), curves, tuple(_options(curves, goal, max_spikes)))


def predict_over_steps(
    make: Callable[[int], SpikingPlan],
    observations: Tensor,
    q_dqn: Tensor,
    steps: Sequence[int],
    episodes: Vector | None = None,
    *,
    progress: bool = False,
) -> Prediction:
    """`predict_agreement` of plans that depend on the number of steps, differentiating each different one once.

    Args:
        make: From a number of steps to the plan made for it.
        observations: `[N, *input_shape]`.
        q_dqn: The DQN's Q-values of them.
        steps: Increasing numbers of steps.
        episodes: Id of each observation's episode.
        progress: Show progress bars.

    Returns:
        Prediction: Agreement after each number of steps.
    """
    groups: list[tuple[SpikingPlan, list[int]]] = []
    for num_steps in steps:
        plan = make(num_steps)
        if groups and _same_numbers(groups[-1][0], plan):
            groups[-1][1].append(num_steps)
        else:
            groups.append((plan, [num_steps]))
    found = [
        predict_agreement(plan, observations, q_dqn, steps=chosen, episodes=episodes, progress=progress)
        for plan, chosen in groups
    ]
    agreement = tuple(agreed for prediction in found for agreed in prediction.agreement)
    return Prediction(tuple(step for prediction in found for step in prediction.steps), agreement)


def check_target(target: float) -> float:
    """The target itself.

    Raises:
        ArgumentError: If it is not in (0, 1).
    """
    if isinstance(target, bool) or not isinstance(target, (int, float)) or not 0 < target < 1:
        raise ArgumentError(
            f"Expected a target agreement in (0, 1). Found {target!r}. 0.99 asks that 99 % of decisions agree."
        )
    return float(target)


def _options(
    curves: Sequence[tuple[Threshold, Prediction]], target: float, max_spikes: int
) -> Iterator[Option]:
    rate = _option("rate", 1, curves, target)
    yield rate
    yield _option("rate_if", 1, curves, target)
    yield _option("burst", max_spikes, curves, target)
    yield _option("sigma_delta", max_spikes, curves, target)


def _option(recipe: str, k: int, curves: Sequence[tuple[Threshold, Prediction]], target: float) -> Option:
    """The rule that reaches the target with the fewest levels, or comes nearest to it."""
    delta = recipe == "sigma_delta"

    def of(rule: Threshold, curve: Prediction, num_steps: int) -> Option:
        levels = num_steps if delta else k * num_steps
        agreed = curve.at(levels)
        return Option(recipe, rule, levels, None if delta else num_steps, k, agreed, agreed.mean >= target)

    candidates = [of(rule, curve, step) for rule, curve in curves for step in curve.steps]
    reached = [option for option in candidates if option.reached]
    if reached:
        return min(reached, key=lambda option: (option.levels, -option.agreement.mean))
    return max(candidates, key=lambda option: (option.agreement.mean, -option.levels))


def _q_values(graph: LayerGraph, observations: Tensor) -> Tensor:
    with torch.no_grad():
        runner = graph.cast(torch.float32)
        return torch.cat([runner(batch.float()) for batch in observations.split(256)])


def _same_numbers(one: SpikingPlan, other: SpikingPlan) -> bool:
    """Whether two plans differ in nothing but the number of steps."""
    return all(
        torch.equal(a.affine.weight, b.affine.weight)
        and torch.equal(a.affine.bias, b.affine.bias)
        and torch.equal(a.v_init, b.v_init)
        and a.step_bias is b.step_bias is None
        for a, b in zip(one.all_layers, other.all_layers, strict=True)
    )


def _percent(interval: Interval) -> str:
    return f"{100 * interval.mean:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
