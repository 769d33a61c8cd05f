"""A suggestion, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dqn2snn._utils.table import format_table
from dqn2snn.analysis.suggestion._predict import Prediction
from dqn2snn.metrics.confidence import Interval
from dqn2snn.recipes import Recipe

_COLUMNS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Candidate:
    """A recipe and its predicted agreement.

    Attributes:
        recipe: How to convert.
        prediction: Agreement over the number of steps; of "sigma_delta" over the number of levels, once it has settled.
    """

    recipe: Recipe
    prediction: Prediction

    @property
    def settled(self) -> bool:
        """Whether the prediction is over levels instead of steps."""
        return self.recipe.rule.name == "sigma_delta"

    def best(self, target_agreement: float) -> Option:
        """The fewest steps that reach a target, or those of the highest agreement."""
        steps = self.prediction.smallest(target_agreement)
        agreement = self.prediction.agreement
        index = (
            self.prediction.num_steps.index(steps)
            if steps is not None
            else max(range(len(agreement)), key=lambda i: agreement[i].mean)
        )
        number, reached = self.prediction.num_steps[index], steps is not None
        if self.settled:
            return Option(self.recipe.with_options(levels=number), None, number, agreement[index], reached)
        return Option(self.recipe, number, number, agreement[index], reached)


@dataclass(frozen=True)
class Option:
    """One way to convert: `convert(dqn, observations, **option)`.

    Attributes:
        recipe: The recipe.
        num_steps: T; None for "sigma_delta", which is predicted as settled and has its own.
        levels: Spikes by which T is chosen: T itself, or the levels of "sigma_delta".
        agreement: Predicted agreement.
        reached: Whether it is the target or more.
    """

    recipe: Recipe
    num_steps: int | None
    levels: int
    agreement: Interval
    reached: bool

    def keys(self) -> tuple[str, str]:
        """The arguments of `convert` that it gives."""
        return "recipe", "num_steps"

    def __getitem__(self, name: str) -> Any:
        """An argument of `convert`."""
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    @property
    def arguments(self) -> str:
        """Arguments of the command line: `--recipe burst:max_spikes=4 --steps 8`."""
        steps = "" if self.num_steps is None else f" --steps {self.num_steps}"
        return f"--recipe {self.recipe}{steps}"


@dataclass(frozen=True)
class Suggestion:
    """Expected agreement of each way to convert, and the way to take.

    Attributes:
        target_agreement: Agreement that was asked for.
        observations: Number of observations that it is predicted for.
        candidates: Every recipe with every threshold rule. Where the target was reached, larger numbers of steps have
            not been looked at.
    """

    target_agreement: float
    observations: int
    candidates: tuple[Candidate, ...]

    @property
    def options(self) -> tuple[Option, ...]:
        """The best threshold rule of each recipe."""
        found: dict[str, list[Option]] = {}
        for candidate in self.candidates:
            found.setdefault(candidate.recipe.rule.name, []).append(candidate.best(self.target_agreement))
        return tuple(_best(options) for options in found.values())

    @property
    def best(self) -> Option:
        """The first recipe that reaches the target, or else the one that comes nearest to it."""
        options = self.options
        return next((option for option in options if option.reached), _best(options))

    def __str__(self) -> str:
        rows = [[str(candidate.recipe), *_cells(candidate.prediction)] for candidate in self.candidates]
        options = [
            [
                option.recipe.rule.name,
                str(option.levels),
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
            f"{format_table(['recipe', *map(str, _COLUMNS)], rows)}\n\n"
            f"For {100 * self.target_agreement:g} %, with the 95 % interval of sampling and prediction\n"
            f"{format_table(['recipe', 'T', 'predicted', 'reached', 'convert with'], options)}\n\n"
            f"{verdict} {self.best.arguments}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries that `json.dumps` takes."""
        return {
            "target_agreement": self.target_agreement,
            "observations": self.observations,
            "candidates": [
                {"recipe": str(candidate.recipe), "prediction": asdict(candidate.prediction)}
                for candidate in self.candidates
            ],
            "options": [_plain(option) for option in self.options],
            "best": _plain(self.best),
        }


def _best(options: Sequence[Option]) -> Option:
    """The fewest steps that reach the target, or the highest agreement."""
    reached = [option for option in options if option.reached]
    if reached:
        return min(reached, key=lambda option: (option.levels, -option.agreement.mean))
    return max(options, key=lambda option: option.agreement.mean)


def _plain(option: Option) -> dict[str, Any]:
    return {**asdict(option), "recipe": str(option.recipe)}


def _cells(prediction: Prediction) -> list[str]:
    """Agreement at the numbers of steps that have a column, empty where it was not predicted."""
    found = dict(zip(prediction.num_steps, prediction.agreement, strict=True))
    return [f"{100 * found[steps].mean:.1f}" if steps in found else "" for steps in _COLUMNS]


def _percent(interval: Interval) -> str:
    return f"{100 * interval.mean:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
