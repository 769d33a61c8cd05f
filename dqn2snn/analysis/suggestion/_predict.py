"""Agreement for any number of steps, predicted without simulation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.analysis.suggestion._agreement import agreement_probability, q_error_moments
from dqn2snn.analysis.suggestion._paths import q_errors_over_time
from dqn2snn.analysis.suggestion._rounding import Moments
from dqn2snn.analysis.suggestion._sensitivity import Sensitivity, sensitivity
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import Vector
from dqn2snn.metrics._student import normal_quantile
from dqn2snn.metrics.confidence import Interval, mean_interval
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, check_num_steps, plan_of
from dqn2snn.plan.rate_network import RateNetwork

STEPS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 500)
"""Numbers of steps for which agreement is predicted by default; between them it is interpolated."""

MODEL_ERROR: Mapping[int, float] = {1: 0.11, 2: 0.06, 4: 0.03, 8: 0.018, 32: 0.01}
"""Root mean square error of the prediction beside sampling, from so many steps on, as measured with signed neurons on
the shipped agents (docs/explanation/choosing.md)."""

_UNEVEN = 0.03
"""Further error of neurons that cannot take spikes back, for every layer behind the second."""

_BATCH = 64
"""Observations that are differentiated at once. Memory grows with it, neurons and actions."""


@dataclass(frozen=True)
class Prediction:
    """Agreement over the number of steps, as predicted.

    Attributes:
        num_steps: Increasing numbers of steps.
        agreement: With the DQN, after each; the intervals hold the error of the model as well as that of sampling.
    """

    num_steps: tuple[int, ...]
    agreement: tuple[Interval, ...]

    def at(self, num_steps: float) -> Interval:
        """Agreement after any number of steps, interpolated in log T; that of the nearest outside the range."""
        if num_steps <= self.num_steps[0]:
            return self.agreement[0]
        for (low, before), (high, after) in pairwise(zip(self.num_steps, self.agreement, strict=True)):
            if num_steps <= high:
                part = math.log(num_steps / low) / math.log(high / low)
                mean, bottom, top = (
                    (1 - part) * getattr(before, end) + part * getattr(after, end)
                    for end in ("mean", "low", "high")
                )
                return replace(before, mean=mean, low=bottom, high=top)
        return self.agreement[-1]

    def smallest(self, target_agreement: float) -> int | None:
        """The smallest of `num_steps` with a mean of at least `target_agreement`; None if there is none."""
        reached = (
            step
            for step, agreed in zip(self.num_steps, self.agreement, strict=True)
            if agreed.mean >= target_agreement
        )
        return next(reached, None)


@torch.inference_mode(False)
def predict_agreement(
    plan: PlanOrNetwork,
    observations: Tensor,
    q_dqn: Tensor,
    *,
    num_steps: Sequence[int] = STEPS,
    episode_ids: Vector | None = None,
    progress: bool = True,
) -> Prediction:
    """Predict on how many decisions a spiking network agrees with its DQN, without simulating it.

    The plan is read as a ReLU network between rates, and one backward pass for each action gives the
    derivatives of the Q-values with respect to every rate. Each neuron adds the error of sending its rate in
    whole spikes, at most as many as it can send. Errors of the first layer, whose current is known, are
    computed; those of later layers have a mean and a variance, which depend on how much the layers before have
    blurred their input. Then

        P(agree) = mean_x P( Q_a* + e_a* > Q_b + e_b for all b ),
        e ~ Normal( sum_j g_j E e_j, sum_j g_j g_j^T Var e_j ),

    which with unknown errors only, of variance theta^2 / (12 T^2), and independent actions is
    mean_x prod_b Phi(gap_b / sigma_a*b).

    Spikes that arrive unevenly are left out. Neurons that take spikes back make up for them; others, in deep
    networks, agree a few points less than predicted. A "delta" plan is taken as settled, whatever the number of steps.

    Args:
        plan: A plan in "rate" or "delta" coding, or its network.
        observations: `[N, *input_shape]`.
        q_dqn: The DQN's Q-values of them, `[N, A]`.
        num_steps: Increasing numbers of steps.
        episode_ids: Id of each observation's episode; None takes observations as independent.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        Prediction: Agreement after each number of steps.

    Raises:
        ArgumentError: If the steps are not increasing, or there are no observations.
        PlanError: If the plan is in another coding, or a number of steps is not positive.

    Example:
        >>> import dqn2snn
        >>> dqn = dqn2snn.load_q_network("acrobot")
        >>> observations = dqn2snn.collect_observations(dqn, 200, seed=0, progress=False)
        >>> plan = dqn2snn.convert(dqn, observations, recipe="rate", num_steps=32).plan
        >>> prediction = predict_agreement(plan, observations, dqn(observations), num_steps=(8, 32))
        >>> 0.8 < prediction.agreement[0].mean < prediction.agreement[1].mean
        True
    """
    plan = plan_of(plan)
    chosen = _checked_steps(num_steps)
    if len(observations) == 0 or len(q_dqn) != len(observations):
        raise ArgumentError(
            f"Expected observations and as many rows of Q-values. Found {len(observations)} and {len(q_dqn)}."
        )
    network = RateNetwork.of(plan)
    q_dqn = q_dqn.detach().float().cpu()
    parts: list[list[Tensor]] = [[] for _ in chosen]
    with progress_bar(label="predict", total=len(observations), progress=progress) as bar:
        for batch, q in zip(observations.cpu().split(_BATCH), q_dqn.split(_BATCH), strict=True):
            at = sensitivity(network, batch)
            for part, error in zip(parts, _errors(network, at, chosen), strict=True):
                part.append(agreement_probability(q, at.q, error))
            bar.update(len(batch))
    agreement = tuple(
        _interval(torch.cat(part), _model_error(plan, count), episode_ids)
        for part, count in zip(parts, chosen, strict=True)
    )
    return Prediction(chosen, agreement)


def _errors(network: RateNetwork, at: Sensitivity, steps: Sequence[int]) -> Iterator[Moments]:
    """Errors of the Q-values: in closed form where earlier spikes do not matter, over time where they do."""
    plan = network.plan
    signed = all(layer.signed for layer in plan.layers)
    if plan.coding.persistent or (signed and plan.readout == "rate"):
        return (q_error_moments(network, at, num_steps) for num_steps in steps)
    return (Moments(error, error.new_zeros(())) for error in q_errors_over_time(network, at, steps))


def _model_error(plan: SpikingPlan, num_steps: int) -> float:
    """Standard error of the prediction itself, beside that of sampling, as a share of decisions."""
    first = RateNetwork.of(plan).layers[0]
    levels = first.most(num_steps)
    error = MODEL_ERROR[max(least for least in MODEL_ERROR if least <= levels)]
    uneven = 0.0 if all(layer.signed for layer in plan.layers) else _UNEVEN * max(0, len(plan.layers) - 2)
    return math.hypot(error, uneven)


def _interval(probabilities: Tensor, model: float, episode_ids: Vector | None) -> Interval:
    """Sampling and model together, within [0, 1]."""
    sampled = mean_interval(probabilities.double(), clusters=episode_ids)
    half = math.hypot(sampled.high - sampled.mean, normal_quantile(sampled.level) * model)
    mean = min(1.0, max(0.0, sampled.mean))
    return replace(sampled, mean=mean, low=max(0.0, mean - half), high=min(1.0, mean + half))


def _checked_steps(steps: Sequence[int]) -> tuple[int, ...]:
    chosen = tuple(map(check_num_steps, steps))
    if not chosen or any(second <= first for first, second in pairwise(chosen)):
        raise ArgumentError(f"Expected increasing numbers of steps. Found {steps!r}.")
    return chosen
