"""Action agreement as a metric of torchmetrics, for training loops that log others of its kind.

It is imported by name, because it needs the extra ``torchmetrics``:

    from dqn2snn.metrics.torchmetrics import ActionAgreement
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dqn2snn import metrics
from dqn2snn._utils.extras import require
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics._clusters import ClusterSums, Vector, cluster_sums, merge
from dqn2snn.metrics.confidence import Interval

__all__ = ["ActionAgreement"]

_torchmetrics = require("torchmetrics", extra="torchmetrics")


class ActionAgreement(_torchmetrics.Metric):  # type: ignore[misc, name-defined]
    """Share of observations on which both networks choose the same action: `action_agreement` over batches.

    It equals `dqn2snn.metrics.action_agreement` on all observations at once, however they were dealt out to batches,
    processes or copies, since it keeps whole numbers. Ties go to the action of the lowest index. `interval` gives what
    the streaming `dqn2snn.metrics.ActionAgreement` computes, clustered by episode where ids are given; for that, memory
    grows with the episodes of each batch.

    Args:
        level: Confidence level of the interval, inside (0, 1).
        **kwargs: Arguments of ``torchmetrics.Metric``.

    Raises:
        ArgumentError: If the level is out of range.

    Example:
        >>> from torchmetrics import MetricCollection
        >>> q_dqn, q_snn = torch.eye(3), torch.eye(3).flip(0)
        >>> metrics = MetricCollection({"agreement": ActionAgreement()})
        >>> metrics(q_dqn, q_dqn)["agreement"].item()
        1.0
        >>> metrics.update(q_dqn, q_snn)
        >>> metrics.compute()["agreement"].item() == 4 / 6
        True
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    hits: Tensor
    count: Tensor
    episodes: list[Tensor]

    def __init__(self, *, level: float = 0.95, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._metric = metrics.ActionAgreement(level=level)
        for name in ("hits", "count"):
            self.add_state(name, default=torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("episodes", default=[], dist_reduce_fx="cat")

    def update(self, q_dqn: Tensor, q_snn: Tensor, episode_ids: Vector | None = None) -> None:
        """Take a batch into account.

        Args:
            q_dqn: `[B, A]` Q-values of the DQN.
            q_snn: `[B, A]` Q-values of the spiking network on the same observations, in any units.
            episode_ids: `[B]` whole-number id of the episode of each observation; an id means the same episode in every
                batch and process. Only `interval` uses them.

        Raises:
            ArgumentError: If the Q-values cannot be compared, or the ids do not fit them.
        """
        hits, ones = self._metric.equation(q_dqn, q_snn)
        if episode_ids is not None:
            sums = cluster_sums(hits, ones, episode_ids)
            assert sums.ids is not None
            rows = torch.stack([sums.ids, sums.count.long(), sums.numerator.long()], dim=1)
            self.episodes.append(rows.to(self.device))
        self.hits += int(hits.sum())
        self.count += len(hits)

    def compute(self) -> Tensor:
        """The agreement over all batches, and all processes, since the last reset.

        Returns:
            Tensor: A number in [0, 1], `[]` float64; float32 on devices that have no other.

        Raises:
            ArgumentError: If nothing was taken in yet.
        """
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.tensor(self._independent().ratio, dtype=kind, device=self.device)

    def interval(self) -> Interval:
        """Wilson's interval of the agreement, over all processes; all of them have to ask.

        Returns:
            Interval: Clustered by episode if ids were given.

        Raises:
            ArgumentError: If nothing was taken in yet, or ids were given with some batches only.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute):
            return self._metric.interval(self._by_episode() or self._independent())

    def _independent(self) -> ClusterSums:
        """Sums with each observation by itself, rebuilt from the totals."""
        if not self.count:
            raise ArgumentError("Expected at least one batch. Found none. Call update() before compute().")
        hits = (torch.arange(int(self.count), device="cpu") < int(self.hits)).double()
        return cluster_sums(hits, torch.ones_like(hits))

    def _by_episode(self) -> ClusterSums | None:
        """Sums of each episode, or None if no ids were given."""
        # One tensor instead of a list once processes have been joined.
        parts = [self.episodes] if isinstance(self.episodes, Tensor) else self.episodes
        if not parts:
            return None
        ids, count, hits = torch.cat([part.cpu() for part in parts]).unbind(1)
        if int(count.sum()) != int(self.count):
            raise ArgumentError(
                "Expected episode ids with every batch or with none. Found some of each. "
                "Pass `episode_ids` always, or call reset() first."
            )
        # All denominators are 1, so that their squares add up to the count too.
        count, hits = count.double(), hits.double()
        return merge([ClusterSums(ids, count, hits, count, count)])
