"""One report on how far a spiking network agrees with its DQN on fresh observations, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from dqn2snn._utils.progress import progress_bar
from dqn2snn._utils.table import format_table
from dqn2snn.dynamics.record import Record
from dqn2snn.metrics import (
    GapWeightedAgreement,
    QError,
    Regret,
    agreement_curve,
    synaptic_operations,
)
from dqn2snn.metrics.confidence import Interval
from dqn2snn.metrics.curve import AgreementCurve
from dqn2snn.metrics.operations import OperationComparison
from dqn2snn.network import SpikingQNetwork, network_of
from dqn2snn.plan import PlanOrNetwork
from dqn2snn.play.collect import Rollout, collect_rollout
from dqn2snn.play.envs import EnvSource
from dqn2snn.play.evaluate._policy import plain
from dqn2snn.play.policies import Policy

__all__ = ["AgreementStudy", "fresh_rollout", "study_agreement"]

FRESH_SEED = 500_000
"""Added to the seed of fresh observations, so that none of their episodes served for calibration."""

_BATCH = 128


@dataclass(frozen=True)
class AgreementStudy:
    """Agreement on observations that the conversion has not seen; intervals are clustered by episode.

    Attributes:
        observations: Number of observations.
        episodes: Number of episodes that they come from.
        curve: Action agreement at the chosen numbers of steps.
        gap_weighted_agreement: After the last of them, like all that follows.
        regret: In the DQN's units.
        relative_regret: As a share of the range of the DQN's Q-values.
        q_error: Of Q-values centred over actions, in the DQN's units.
        relative_q_error: As a share of the centred Q-values' own root mean square.
        operations: What a decision costs in both networks.
    """

    observations: int
    episodes: int
    curve: AgreementCurve
    gap_weighted_agreement: Interval
    regret: Interval
    relative_regret: Interval
    q_error: Interval
    relative_q_error: Interval
    operations: OperationComparison

    def __str__(self) -> str:
        """The table that `dqn2snn agree` prints."""
        curve, cost = self.curve, self.operations
        rows = [
            [str(step), str(robust), str(spike_count)]
            for step, robust, spike_count in zip(
                curve.num_steps, curve.robust, curve.spike_count or ("",) * len(curve.robust), strict=True
            )
        ]
        return f"""\
{self.observations:,} fresh observations of {self.episodes} episodes; 95 % intervals, clustered by episode

{format_table(["steps", "agreement, robust rate", "agreement, spike count"], rows)}

By the robust rate after {curve.num_steps[-1]} steps:
gap-weighted agreement  {self.gap_weighted_agreement}
regret                  {self.regret}, {100 * self.relative_regret.mean:.3g} % of the range of the Q-values
error of centred Q      {self.q_error}, {100 * self.relative_q_error.mean:.3g} % of their size
operations a decision   {cost.synaptic_operations:,.0f} synaptic and {cost.input_macs:,} multiply-accumulates, \
{cost.operations_ratio:.3g} times the {cost.dqn_macs:,} multiply-accumulates of the DQN"""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain numbers, lists and dictionaries that `json.dumps` takes."""
        return plain(self)


def fresh_rollout(
    policy: Policy,
    num_observations: int,
    *,
    env: EnvSource | None = None,
    seed: int = 0,
    min_episodes: int = 20,
    epsilon: float = 0.05,
    progress: bool = True,
) -> Rollout:
    """Play like `collect_rollout`, in episodes that with the same seed serve neither calibration nor scores.

    Args:
        policy: The network that plays, usually the DQN.
        num_observations: Number of observations.
        env: Environment id, one environment, or a function that makes environments; by default that which the network
            names as its `env_id`.
        seed: The seed of the calibration.
        min_episodes: Least number of episodes: an interval needs several clusters.
        epsilon: Probability of a random action.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The observations with their episodes.
    """
    return collect_rollout(
        policy,
        num_observations,
        env=env,
        seed=seed + FRESH_SEED,
        epsilon=epsilon,
        min_episodes=min_episodes,
        num_envs=min_episodes,
        progress=progress,
    )


def doubling_steps(num_steps: int) -> tuple[int, ...]:
    """The powers of two below a number of steps, and the number itself.

    Example:
        >>> doubling_steps(20)
        (1, 2, 4, 8, 16, 20)
    """
    return (*(2**power for power in range((num_steps - 1).bit_length())), num_steps)


def study_agreement(
    snn: PlanOrNetwork, rollout: Rollout, *, num_steps: Sequence[int] | None = None, progress: bool = True
) -> AgreementStudy:
    """Simulate every observation once and compare with what the DQN said to it.

    Args:
        snn: The spiking network, or its plan.
        rollout: Observations with the DQN's Q-values, from `fresh_rollout`.
        num_steps: Increasing numbers of steps at which agreement is measured; the last is the length of the run. By
            default the powers of two up to the plan's own T.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        The report.

    Example:
        >>> import dqn2snn
        >>> dqn = dqn2snn.load_q_network("cartpole")
        >>> rollout = fresh_rollout(dqn, 60, min_episodes=2)
        >>> snn = dqn2snn.convert(dqn, rollout.observations, num_steps=16)
        >>> study = study_agreement(snn, rollout)
        >>> study.curve.num_steps, study.episodes
        ((1, 2, 4, 8, 16), 2)
    """
    snn = network_of(snn)
    chosen = tuple(num_steps or doubling_steps(snn.plan.num_steps))
    readouts, operations = _simulate(snn, rollout, chosen, progress)
    curve = agreement_curve(readouts, rollout.q, episode_ids=rollout.episode_ids)
    q_snn = readouts.q[-1]

    def measure(metric: GapWeightedAgreement | Regret | QError) -> Interval:
        metric.update(rollout.q, q_snn, rollout.episode_ids)
        return metric.compute()

    return AgreementStudy(
        observations=len(rollout.observations),
        episodes=len(np.unique(rollout.episode_ids)),
        curve=replace(curve, num_steps=chosen),
        gap_weighted_agreement=measure(GapWeightedAgreement()),
        regret=measure(Regret()),
        relative_regret=measure(Regret(relative=True)),
        q_error=measure(QError()),
        relative_q_error=measure(QError(relative=True)),
        operations=operations,
    )


def _simulate(
    snn: SpikingQNetwork, rollout: Rollout, steps: tuple[int, ...], progress: bool
) -> tuple[Record, OperationComparison]:
    """Both readouts at the chosen steps only, so that memory does not grow with T, and the operations."""
    at = torch.tensor(steps) - 1
    fan_outs = [snn.plan.fan_out(layer) for layer in range(len(snn.plan.layers))]
    parts, operations = [], []
    batches = rollout.observations.split(_BATCH)
    for batch in progress_bar(batches, label="simulate", progress=progress):
        record = snn.record(batch, steps[-1], progress=False)
        operations.append(synaptic_operations(record.sent[:-1], fan_outs))
        by_counts = None if record.q_spike is None else record.q_spike.cpu()[at]
        parts.append(replace(record, q=record.q.cpu()[at], q_spike=by_counts, counts=(), sent=()))
    mean = torch.cat(operations).mean().item()
    return Record.join(parts), OperationComparison(mean, snn.plan.input_macs, snn.plan.dqn_macs)
