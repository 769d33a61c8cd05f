"""`suggest`: choose a recipe, thresholds and a number of steps by prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from dqn2snn._utils.nearest import unknown_name
from dqn2snn._utils.progress import progress_bar
from dqn2snn.analysis.suggestion._findings import Candidate, Suggestion
from dqn2snn.analysis.suggestion._predict import STEPS, Prediction, predict_agreement
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import Vector
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes import Recipe, Value
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import ActivationStats, calibrate
from dqn2snn.tracing.observations import Observations, as_tensor

Threshold = str | float
"""Which activation of a channel is its largest: "auto", "max", or a percentile."""

RULES = ("rate", "rate_if", "burst", "sigma_delta")
SEVERAL_SPIKES, USUAL_SPIKES = ("burst", "sigma_delta"), 8
THRESHOLDS: tuple[Threshold, ...] = ("auto", "max")

_LONGEST_BURST = 64
_TRIED = {
    "burst": tuple(step for step in STEPS if step <= _LONGEST_BURST),
    "sigma_delta": (4, 8, 16, 32, 64, 128),
}
_FEWEST, _MOST, _NEURONS = 100, 500, 5_000_000
"""Observations to predict on, and of how many neurons altogether."""

_SPAN = 4
"""Numbers of steps that are predicted together are at most so many times the smallest of them."""


@torch.inference_mode(False)
def suggest(
    dqn: nn.Module,
    observations: Observations,
    target_agreement: float = 0.99,
    *,
    recipes: Sequence[str] = RULES,
    thresholds: Sequence[Threshold] = THRESHOLDS,
    num_steps: Sequence[int] = STEPS,
    max_spikes: int = 8,
    episode_ids: Vector | None = None,
    progress: bool = True,
) -> Suggestion:
    """Say which recipe, thresholds and number of steps make a network agree, before anything is simulated.

    Thresholds are calibrated on all observations, and agreement is predicted on some of them, taken evenly, by
    `predict_agreement`: 500, or fewer where a network is so large that it would take minutes.

    Args:
        dqn: Maps observations `[B, *shape]` to Q-values `[B, A]`.
        observations: `[N, *shape]`, states that the agent meets.
        target_agreement: Agreement that is wanted, in (0, 1).
        recipes: Out of "rate", "rate_if", "burst" and "sigma_delta", the one that you would like best first.
        thresholds: Rules for the thresholds: "auto", "max", or percentiles.
        num_steps: Increasing numbers of steps to look at, up to the first that reaches the target.
        max_spikes: k of "burst" and "sigma_delta".
        episode_ids: Id of each observation's episode, for intervals that know that decisions of one are alike.
        progress: Show progress bars when standard error is a terminal.

    Returns:
        Suggestion: Print it for a table; `convert(dqn, observations, **suggestion.best)` follows it.

    Raises:
        ArgumentError: If an argument is out of range.
        CalibrationError: If the observations do not determine the thresholds.
        ObservationError: If the observations have the wrong shape, or hold NaN or infinity.
        UnsupportedModuleError: If the network has something without an exact spiking counterpart.

    Example:
        >>> import dqn2snn
        >>> dqn = dqn2snn.load_q_network("acrobot")
        >>> observations = dqn2snn.collect_observations(dqn, 300, seed=0, progress=False)
        >>> suggestion = suggest(dqn, observations, 0.95, recipes=("rate", "burst"), thresholds=("max",))
        >>> single, several = suggestion.options
        >>> several.num_steps < single.num_steps, suggestion.best.recipe
        (True, Recipe('rate:threshold=max'))
    """
    goal = check_target(target_agreement)
    asked = list(_candidates(recipes, thresholds, max_spikes))
    if not asked:
        raise ArgumentError(f"Expected recipes out of {', '.join(RULES)}. Found none. Leave recipes out.")
    batch = as_tensor(observations)
    graph = trace(dqn, tuple(batch.shape[1:]))
    percentiles = {each for recipe, _ in asked for each in recipe.percentiles}
    stats = calibrate(graph, batch, sorted(percentiles))
    count = min(_enough(graph), len(batch))
    rows = torch.linspace(0, len(batch) - 1, count, device="cpu").round().long()
    some = batch[rows].cpu()
    q_dqn = q_values(graph, some)
    groups = None if episode_ids is None else torch.as_tensor(episode_ids)[rows]
    found = []
    for recipe, tried in progress_bar(asked, label="suggest", progress=progress):
        make = partial(_plan_of, recipe, graph, stats)
        prediction = predict_over_steps(make, some, q_dqn, tried or num_steps, groups, until=goal)
        found.append(Candidate(recipe, prediction))
    return Suggestion(goal, len(some), tuple(found))


def _enough(graph: LayerGraph) -> int:
    neurons = sum(layer.neurons for layer in graph.layers)
    return max(_FEWEST, min(_MOST, _NEURONS // neurons))


def predict_over_steps(
    make: Callable[[int], SpikingPlan],
    observations: Tensor,
    q_dqn: Tensor,
    num_steps: Sequence[int],
    episode_ids: Vector | None = None,
    *,
    until: float | None = None,
) -> Prediction:
    """`predict_agreement` of plans that depend on the number of steps, each different one differentiated once.

    Args:
        make: From a number of steps to the plan made for it.
        observations: `[N, *input_shape]`.
        q_dqn: The DQN's Q-values of them.
        num_steps: Increasing numbers of steps.
        episode_ids: Id of each observation's episode.
        until: Agreement after which no more steps are looked at.

    Returns:
        Prediction: Agreement after each number of steps.
    """
    parts: list[Prediction] = []
    for plan, together in _together(make, num_steps):
        found = predict_agreement(
            plan, observations, q_dqn, num_steps=together, episode_ids=episode_ids, progress=False
        )
        parts.append(found)
        if until is not None and found.smallest(until) is not None:
            break
    return Prediction(
        tuple(step for part in parts for step in part.num_steps),
        tuple(agreed for part in parts for agreed in part.agreement),
    )


def _together(
    make: Callable[[int], SpikingPlan], steps: Sequence[int]
) -> Iterator[tuple[SpikingPlan, list[int]]]:
    """Plans, and the numbers of steps for which each is the one."""
    plan, group = make(steps[0]), [steps[0]]
    for step in steps[1:]:
        following = make(step) if step <= _SPAN * group[0] else None
        if following is not None and _same_numbers(plan, following):
            group.append(step)
            continue
        yield plan, group
        plan, group = following or make(step), [step]
    yield plan, group


def check_target(target_agreement: float) -> float:
    """Refuse a target that is no share.

    Raises:
        ArgumentError: If it is not in (0, 1).
    """
    if (
        isinstance(target_agreement, bool)
        or not isinstance(target_agreement, (int, float))
        or not 0 < target_agreement < 1
    ):
        raise ArgumentError(
            f"Expected a target agreement in (0, 1). Found {target_agreement!r}. "
            "0.99 asks that 99 % of decisions agree."
        )
    return float(target_agreement)


def q_values(graph: LayerGraph, observations: Tensor) -> Tensor:
    """The DQN's Q-values `[N, A]`, in batches."""
    with torch.no_grad():
        runner = graph.cast(torch.float32)
        return torch.cat([runner(batch.float()) for batch in observations.cpu().split(256)])


def _candidates(
    rules: Sequence[str], thresholds: Sequence[Threshold], max_spikes: int
) -> Iterator[tuple[Recipe, Sequence[int] | None]]:
    """Recipes to compare, and the numbers to try where they are the rule's own."""
    for rule in rules:
        if rule not in RULES:
            raise unknown_name("a recipe to suggest", rule, RULES)
        several = rule in SEVERAL_SPIKES and max_spikes != USUAL_SPIKES
        for threshold in thresholds:
            options: dict[str, Value] = {"max_spikes": max_spikes} if several else {}
            if threshold != ("max" if rule == "sigma_delta" else "auto"):
                options["threshold"] = threshold
            yield Recipe(rule, **options), _TRIED.get(rule)


def _plan_of(recipe: Recipe, graph: LayerGraph, stats: ActivationStats, number: int) -> SpikingPlan:
    """The plan of a rule alone, for a number of steps, or of levels where they count."""
    rule, none = recipe.without_steps(), torch.empty(0, *graph.input_shape)
    if rule.rule.name == "sigma_delta":
        return rule.with_options(levels=number).plan(graph, stats, none, grid=None)
    return rule.plan(graph, stats, none, num_steps=number, grid=None)


def _same_numbers(one: SpikingPlan, other: SpikingPlan) -> bool:
    """Whether two plans differ in nothing but the number of steps."""
    return all(
        torch.equal(a.affine.weight, b.affine.weight)
        and torch.equal(a.affine.bias, b.affine.bias)
        and torch.equal(a.v_init, b.v_init)
        and a.step_bias is b.step_bias is None
        for a, b in zip(one.all_layers, other.all_layers, strict=True)
    )
