"""What a suggestion says, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dqn2snn._utils.table import format_table
from dqn2snn.analysis.suggestion._predict import Prediction
from dqn2snn.metrics.confidence import Interval

__all__ = ["Candidate", "Option", "Suggestion", "Threshold"]

Threshold = str | float
"""Which activation of a channel is its largest: "auto", "max", or a percentile."""

_SHOWN = (1, 2, 4, 8, 16, 32, 64, 128)
_USUAL_SPIKES = 8


@dataclass(frozen=True)
class Candidate:
    """A recipe with a threshold rule, and what it is expected to do.

    Attributes:
        recipe: Name of the conversion rule.
        threshold: Of its channels.
        max_spikes: k, spikes of a neuron in one step at most.
        prediction: Agreement over the number of steps; of "sigma_delta" over the number of levels, once it has settled.
    """

    recipe: str
    threshold: Threshold
    max_spikes: int
    prediction: Prediction

    @property
    def settled(self) -> bool:
        """Whether the prediction is over levels instead of steps."""
        return self.recipe == "sigma_delta"

    def best(self, target: float) -> Option:
        """The fewest steps that reach a target, or those of the highest agreement."""
        steps = self.prediction.smallest(target)
        agreement = self.prediction.agreement
        index = (
            self.prediction.steps.index(steps)
            if steps is not None
            else max(range(len(agreement)), key=lambda i: agreement[i].mean)
        )
        return Option(self, self.prediction.steps[index], agreement[index], steps is not None)


@dataclass(frozen=True)
class Option:
    """One way to convert.

    Attributes:
        candidate: Recipe and threshold rule.
        steps: T; of "sigma_delta" the levels.
        agreement: Predicted.
        reached: Whether that is the target.
    """

    candidate: Candidate
    steps: int
    agreement: Interval
    reached: bool

    @property
    def num_steps(self) -> int | None:
        """T; None of "sigma_delta", which is predicted as settled."""
        return None if self.candidate.settled else self.steps

    @property
    def arguments(self) -> str:
        """Of `convert`."""
        name, k = self.candidate.recipe, self.candidate.max_spikes
        options = []
        if self.candidate.settled:
            options.append(f"levels={self.steps}")
        if k not in (1, _USUAL_SPIKES):
            options.append(f"max_spikes={k}")
        words = [f"recipe=partial({name}, {', '.join(options)})" if options else f'recipe="{name}"']
        if self.num_steps is not None:
            words.append(f"num_steps={self.num_steps}")
        threshold = 100 if self.candidate.threshold == "max" else self.candidate.threshold
        if threshold != "auto":
            words.append(f"percentile={threshold}")
        return ", ".join(words)


@dataclass(frozen=True)
class Suggestion:
    """What to expect of each way to convert, and which way to take.

    Attributes:
        target: Agreement that was asked for.
        observations: Number of observations that it is predicted for.
        candidates: Every recipe with every threshold rule. Where the target was reached, larger numbers of steps have
            not been looked at.
    """

    target: float
    observations: int
    candidates: tuple[Candidate, ...]

    @property
    def options(self) -> tuple[Option, ...]:
        """The best threshold rule of each recipe."""
        found: dict[str, list[Option]] = {}
        for candidate in self.candidates:
            found.setdefault(candidate.recipe, []).append(candidate.best(self.target))
        return tuple(_best(options) for options in found.values())

    @property
    def best(self) -> Option:
        """The first recipe that reaches the target, or else the one that comes nearest to it."""
        options = self.options
        return next((option for option in options if option.reached), _best(options))

    def __str__(self) -> str:
        rows = [[_name(candidate), *_cells(candidate.prediction)] for candidate in self.candidates]
        options = [
            [
                option.candidate.recipe,
                str(option.steps),
                _percent(option.agreement),
                "yes" if option.reached else "no",
                option.arguments,
            ]
            for option in self.options
        ]
        verdict = "Take" if self.best.reached else "None reaches it. Nearest is"
        return (
            f"Predicted agreement on {self.observations:,} observations, %, by the number of steps T "
            f"(of sigma_delta: levels, once settled)\n"
            f"{format_table(['recipe, threshold', *map(str, _SHOWN)], rows)}\n\n"
            f"For {100 * self.target:g} %, with the 95 % interval of sampling and prediction\n"
            f"{format_table(['recipe', 'T', 'predicted', 'reached', 'convert with'], options)}\n\n"
            f"{verdict} {self.best.arguments}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries that `json.dumps` takes."""
        return {
            **asdict(self),
            "options": [
                {
                    "recipe": option.candidate.recipe,
                    "threshold": option.candidate.threshold,
                    "steps": option.steps,
                    "agreement": asdict(option.agreement),
                    "reached": option.reached,
                    "arguments": option.arguments,
                }
                for option in self.options
            ],
            "best": self.best.arguments,
        }


def _best(options: Sequence[Option]) -> Option:
    """The fewest steps that reach the target, or the highest agreement."""
    reached = [option for option in options if option.reached]
    if reached:
        return min(reached, key=lambda option: (option.steps, -option.agreement.mean))
    return max(options, key=lambda option: option.agreement.mean)


def _name(candidate: Candidate) -> str:
    spikes = f" k={candidate.max_spikes}" if candidate.max_spikes > 1 else ""
    return f"{candidate.recipe}{spikes}, {candidate.threshold}"


def _cells(prediction: Prediction) -> list[str]:
    """Agreement at the shown numbers of steps, empty where it was not predicted."""
    found = dict(zip(prediction.steps, prediction.agreement, strict=True))
    return [f"{100 * found[steps].mean:.1f}" if steps in found else "" for steps in _SHOWN]


def _percent(interval: Interval) -> str:
    return f"{100 * interval.mean:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
