"""A diagnosis, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dqn2snn._utils.table import format_table
from dqn2snn.analysis.diagnosis._layers import CAUSES
from dqn2snn.metrics.confidence import Interval

_LISTED_FLIPS = 5


@dataclass(frozen=True)
class LayerDiagnosis:
    """Errors of one hidden layer.

    Attributes:
        name: Its name in the DQN.
        neurons: Number of neurons.
        shares: Shares of the decision error, by cause. Over all layers, and with those outside them, they sum to one.
            A negative share makes up for others.
        sizes: Root mean square of what the layer adds to the difference of two Q-values, by cause, in the DQN's units.
        channel_shares: The share of each channel, by cause, to first order within the layer.
        clipped: For each channel, the part of its activations that are larger than it can send.
        clipped_neurons: Neurons that are clipped in at least one of a hundred decisions, by flat index.
        silent_neurons: Neurons that never fire.
        lost_neurons: Silent neurons whose unit in the DQN is active in some decision.
    """

    name: str
    neurons: int
    shares: Mapping[str, float]
    sizes: Mapping[str, float]
    channel_shares: Mapping[str, tuple[float, ...]]
    clipped: tuple[float, ...]
    clipped_neurons: tuple[int, ...]
    silent_neurons: tuple[int, ...]
    lost_neurons: tuple[int, ...]


@dataclass(frozen=True)
class Flip:
    """A decision on which the two networks differ.

    Attributes:
        observation: Its index.
        dqn_action: Action of the DQN.
        snn_action: Action of the spiking network.
        regret: Cost of the difference by the DQN's Q-values, in its units.
    """

    observation: int
    dqn_action: int
    snn_action: int
    regret: float


@dataclass(frozen=True)
class Diagnosis:
    """Where the error of a spiking network's decisions comes from.

    The decision error is that of the difference between the DQN's best action and the one that comes nearest to it, or
    beats it, in the spiking network. Shares are of its mean square.

    Attributes:
        recipe: Recipe of the plan.
        num_steps: T.
        observations: Number of decisions.
        agreement: Share of decisions on which both networks choose the same action.
        regret: Mean cost of a decision, in the DQN's units.
        error: Root mean square of the decision error, in the DQN's units.
        gap: Median distance from the DQN's best action to its second-best, in the same units.
        layers: The hidden layers.
        outside: Shares that neurons do not cause: "plan", numbers of the plan that differ from the DQN's by rounding,
            folding or correction; "readout", what the readout adds to rates.
        flips: Decisions that differ, the most costly first.
        advice: One sentence that says what to change.
    """

    recipe: str
    num_steps: int
    observations: int
    agreement: Interval
    regret: float
    error: float
    gap: float
    layers: tuple[LayerDiagnosis, ...]
    outside: Mapping[str, float]
    flips: tuple[Flip, ...]
    advice: str

    def share(self, cause: str) -> float:
        """The share of one cause, over all layers."""
        return sum(layer.shares[cause] for layer in self.layers)

    def __str__(self) -> str:
        rows = [
            [
                layer.name,
                *(f"{100 * layer.shares[cause]:.1f}" for cause in CAUSES),
                f"{len(layer.clipped_neurons):,}",
                f"{len(layer.silent_neurons):,}",
                f"{len(layer.lost_neurons):,}",
                f"{layer.neurons:,}",
            ]
            for layer in self.layers
        ]
        rows += [[name, f"{100 * share:.1f}"] + [""] * 6 for name, share in self.outside.items()]
        header = ["layer", *(f"{cause} %" for cause in CAUSES), "clipped", "silent", "lost", "neurons"]
        return (
            f"{self.recipe}, {self.num_steps} steps: agreement {self.agreement} on {self.observations:,} decisions.\n"
            f"Error of the deciding difference {self.error:.3g}, median gap {self.gap:.3g}, "
            f"regret {self.regret:.3g}.\n\n"
            f"{format_table(header, rows)}\n\n{self._flips()}{self.advice}"
        )

    def _flips(self) -> str:
        if not self.flips:
            return ""
        rows = [
            [str(flip.observation), str(flip.dqn_action), str(flip.snn_action), f"{flip.regret:.3g}"]
            for flip in self.flips[:_LISTED_FLIPS]
        ]
        table = format_table(["observation", "DQN", "SNN", "costs"], rows)
        return f"{len(self.flips):,} decisions differ, the most costly of which are\n{table}\n\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dictionaries that `json.dumps` takes."""
        return asdict(self)
