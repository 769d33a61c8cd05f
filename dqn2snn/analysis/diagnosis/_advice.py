"""Advice: one sentence that says what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dqn2snn.analysis.diagnosis._layers import CAUSES
from dqn2snn.plan import SpikingPlan

_ENOUGH = 0.99
"""Agreement from which on the sentence begins by saying that there is little to mend."""


def advice(
    plan: SpikingPlan,
    num_steps: int,
    agreement: float,
    layers: Sequence[tuple[str, Mapping[str, float]]],
    outside: Mapping[str, float],
) -> str:
    """Name the cause with the largest share, the layer where most of it is, and the remedy.

    Args:
        plan: The spiking network.
        num_steps: T.
        agreement: Share of equal decisions.
        layers: Name and shares by cause of each hidden layer.
        outside: Shares that neurons do not cause.

    Returns:
        str: The sentence.
    """
    totals = {cause: sum(shares[cause] for _, shares in layers) for cause in CAUSES}
    by_cause = {**totals, **outside}
    cause = max(by_cause, key=lambda name: by_cause[name])
    percent = f"{100 * by_cause[cause]:.0f} %"
    if by_cause[cause] <= 0:
        return "The spiking network's Q-values are those of the DQN: there is nothing to change."
    if cause in CAUSES:
        name, shares = max(layers, key=lambda layer: layer[1][cause])
        where = " in" if shares[cause] > 0.75 * by_cause[cause] else ", most of it in"
        finding = f"{percent} of the error is {cause}{where} layer {name}"
    else:
        finding = f"{percent} of the error is in the numbers of the {cause}, not in its neurons"
    start = "Little is left to mend, but " if agreement >= _ENOUGH else ""
    return f"{start}{finding}: {_remedy(cause, plan, num_steps)}."


def _remedy(cause: str, plan: SpikingPlan, num_steps: int) -> str:
    if cause == "clipping":
        if plan.report.get("threshold") in ("auto", "mse"):
            return f"take more steps, {2 * num_steps} instead of {num_steps}, for which thresholds clip less"
        return (
            f"raise the percentile, so that nothing is clipped that calibration has seen ({_unclipped(plan)})"
        )
    if cause == "quantisation":
        if plan.coding.persistent:
            return "take more levels"
        several = "" if plan.layers[0].max_spikes > 1 else ", or send several spikes a step (recipe burst)"
        return f"take more steps, {2 * num_steps} instead of {num_steps}{several}"
    if cause == "unevenness":
        if plan.coding.persistent:
            return "take more steps, or more spikes a step, so that the network settles between decisions"
        if not all(layer.signed for layer in plan.layers):
            return "let spikes be taken back (recipe rate), or take more steps"
        return "take more steps: deep layers have not settled"
    return "look at what its corrections do, calibrate on more observations, or use grid=None"


def _unclipped(plan: SpikingPlan) -> str:
    """The recipe of a plan with the largest activations as thresholds."""
    rule, *steps = plan.recipe.split("+")
    name = rule.split(":")[0]
    option = "threshold=max" if "threshold" in plan.report else "percentile=100"
    return f"recipe {'+'.join([f'{name}:{option}', *steps])}"
