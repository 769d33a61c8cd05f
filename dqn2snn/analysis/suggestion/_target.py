"""The smallest number of steps that agrees as asked: predicted, then confirmed by simulation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn._utils.table import format_table
from dqn2snn.analysis.suggestion._predict import STEPS, Prediction, predict_agreement
from dqn2snn.analysis.suggestion._suggest import predict_over_steps
from dqn2snn.errors import ArgumentError, PlanError
from dqn2snn.metrics.confidence import Interval, proportion_interval
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.tracing.observations import Observations, check_observations

TRIED = (
    *range(1, 12),
    *(*range(12, 20, 2), *range(20, 32, 4), *range(32, 64, 8), *range(64, 128, 16)),
    *(128, 160, 192, 256, 320, 384, 500),
)
"""Numbers of steps that may be chosen."""

_FIRST_OF_DELTA = 4
_PREDICTED_ON = 500
_HELD_OUT = 5
"""One observation in so many is held out."""

_BATCH = 256


@dataclass(frozen=True)
class Trial:
    """One number of steps that was simulated.

    Attributes:
        num_steps: T.
        predicted: Agreement of this plan, corrections included; None where spikes are not counted in steps.
        measured: Agreement on the held-out observations.
    """

    num_steps: int
    predicted: float | None
    measured: Interval


def plan_for_target(
    plain: Callable[[int], SpikingPlan],
    final: Callable[[int], SpikingPlan],
    held_out: Tensor,
    q_dqn: Tensor,
    target_agreement: float,
    *,
    engine: str = "auto",
    progress: bool = True,
) -> SpikingPlan:
    """The plan with the fewest steps that agrees with the DQN on held-out observations as asked.

    The prediction says where to begin. From there it goes down as long as the target is reached, or up until it is, in
    steps that double, and bisects what is left between; agreement is taken as growing with T.

    Args:
        plain: From a number of steps to the recipe's plan, in raw numbers; for the prediction.
        final: From a number of steps to that plan, corrected and on its grid.
        held_out: Observations that served no calibration; in the order of play for a "delta" plan.
        q_dqn: The DQN's Q-values of them.
        target_agreement: Agreement that is wanted, in (0, 1).
        engine: How to simulate.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        SpikingPlan: Its report says what was tried: "target_agreement", "held_out" and "tried".

    Raises:
        PlanError: If no number of steps up to 500 reaches the target.
    """
    rows = (
        torch.linspace(0, len(held_out) - 1, min(_PREDICTED_ON, len(held_out)), device="cpu").round().long()
    )
    few, q_few = held_out[rows], q_dqn[rows]
    anew = not plain(_FIRST_OF_DELTA).coding.persistent
    trials: dict[int, tuple[SpikingPlan, Trial]] = {}
    with progress_bar(label="simulate", unit="T", progress=progress) as bar:

        def reaches(index: int) -> bool:
            num_steps = TRIED[index]
            if num_steps not in trials:
                plan = final(num_steps)
                guess = (
                    predict_agreement(plan, few, q_few, num_steps=(num_steps,), progress=False)
                    .agreement[0]
                    .mean
                    if anew
                    else None
                )
                trials[num_steps] = plan, Trial(num_steps, guess, _measured(plan, held_out, q_dqn, engine))
                bar.update()
            return trials[num_steps][1].measured.mean >= target_agreement

        begin = predict_over_steps(plain, few, q_few, STEPS, until=target_agreement) if anew else None
        chosen = _search(reaches, _start(begin, target_agreement))
    made = [trial for _, (_, trial) in sorted(trials.items())]
    if chosen is None:
        best = max(made, key=lambda trial: trial.measured.mean)
        raise PlanError(
            f"Expected an agreement of {100 * target_agreement:g} % within {TRIED[-1]} steps. "
            f"Found {100 * best.measured.mean:.2f} % on {len(held_out)} held-out observations, after "
            f"{best.num_steps} steps. Ask for less, calibrate on more observations, or use the recipe burst."
        )
    plan, _ = trials[TRIED[chosen]]
    found = {
        "target_agreement": target_agreement,
        "held_out": len(held_out),
        "tried": [asdict(trial) for trial in made],
    }
    return replace(plan, report={**plan.report, **found})


def split_held_out(observations: Tensor, held_out: Observations | None) -> tuple[Tensor, Tensor]:
    """Observations to calibrate on, and others to judge by.

    Args:
        observations: `[N, *shape]`.
        held_out: To judge by; None takes the last fifth of the others.

    Returns:
        tuple[Tensor, Tensor]: On the CPU.

    Raises:
        ArgumentError: If there are none to judge by.
        ObservationError: If they do not fit each other.
    """
    if held_out is not None:
        judges = check_observations(held_out, tuple(observations.shape[1:]))
    else:
        kept = len(observations) - len(observations) // _HELD_OUT
        observations, judges = observations[:kept], observations[kept:]
    if len(judges) == 0:
        raise ArgumentError(
            f"Expected held-out observations to confirm the target on. Found {len(observations)} observations "
            "altogether, too few to leave some out. Collect more."
        )
    return observations, judges.cpu()


def trials_table(report: Mapping[str, Any]) -> str:
    """The numbers of steps that `plan_for_target` tried, as a table.

    Args:
        report: The report of its plan.

    Returns:
        str: A row for each number of steps.
    """
    rows = [
        [
            str(trial["num_steps"]),
            "" if trial["predicted"] is None else f"{100 * trial['predicted']:.1f}",
            str(Interval(**trial["measured"])),
        ]
        for trial in report["tried"]
    ]
    return format_table(["steps", "predicted %", "measured"], rows)


def _start(predicted: Prediction | None, target_agreement: float) -> int:
    steps = (
        _FIRST_OF_DELTA
        if predicted is None
        else predicted.smallest(target_agreement) or predicted.num_steps[-1]
    )
    return next(index for index, tried in enumerate(TRIED) if tried >= steps)


def _search(reaches: Callable[[int], bool], start: int) -> int | None:
    """The first index that reaches the target, if all later ones do."""
    last, stride = len(TRIED) - 1, 1
    if reaches(start):
        low, high = start - 1, start
        while low >= 0 and reaches(low):
            low, high, stride = low - 2 * stride, low, 2 * stride
        low = max(low, -1)
    else:
        low, high = start, min(start + 1, last)
        while not reaches(high):
            if high == last:
                return None
            low, high, stride = high, min(high + 2 * stride, last), 2 * stride
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _measured(plan: SpikingPlan, held_out: Tensor, q_dqn: Tensor, engine: str) -> Interval:
    snn = SpikingQNetwork(plan, engine=engine)
    if plan.stateful:
        stream = snn.stream()
        q = torch.cat([stream.step(x[None]) for x in held_out])
    else:
        q = torch.cat([snn(batch) for batch in held_out.split(_BATCH)])
    return proportion_interval(q.cpu().argmax(1) == q_dqn.argmax(1))
