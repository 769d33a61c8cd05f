"""A DQN beside its spiking counterpart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from dqn2snn.errors import ArgumentError
from dqn2snn.metrics import ActionAgreement, GapWeightedAgreement, Regret
from dqn2snn.metrics.confidence import Interval, paired_interval
from dqn2snn.play.envs import EnvSource, env_of
from dqn2snn.play.evaluate._policy import Evaluation, Protocol, plain
from dqn2snn.play.policies import Policy, player_of, readouts_of
from dqn2snn.play.rollout import Step

__all__ = ["Comparison", "compare_policies"]


@dataclass(frozen=True)
class Comparison:
    """A DQN and a spiking network in the same episodes.

    Attributes:
        dqn: The DQN's scores.
        snn: The spiking network's scores (robust readout, if it has several).
        difference: Mean of spiking network minus DQN over the paired episodes.
        driver: Whose states the following are about: those that this network visited.
        agreement: Share of decisions in which both take the same action: Tan et al.'s conversion rate.
        spike_count_agreement: The same for the spike-count readout on the same states; None for a network
            without `record`.
        gap_weighted_agreement: The same with each decision weighed by what hangs on it.
        regret: Mean of Q_dqn(a_dqn) - Q_dqn(a_snn).
    """

    dqn: Evaluation
    snn: Evaluation
    difference: Interval
    driver: Literal["dqn", "snn"]
    agreement: Interval
    spike_count_agreement: Interval | None
    gap_weighted_agreement: Interval
    regret: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain numbers, lists and dictionaries that `json.dumps` takes."""
        return plain(self)


def compare_policies(
    dqn: Policy,
    snn: Policy,
    env: EnvSource | None = None,
    *,
    episodes: int = 50,
    seed: int = 0,
    epsilon: float = 0.0,
    driver: Literal["dqn", "snn"] = "snn",
    num_envs: int = 16,
    max_episode_steps: int | None = None,
    progress: bool = True,
) -> Comparison:
    """Play the same episodes with a DQN and with a spiking network, and say how far they agree.

    Agreement is counted on the states that the driver visits, before exploration replaces an action, as the
    paper does. Its intervals are clustered by episode, since decisions of one episode resemble each other.

    Args:
        dqn: The DQN.
        snn: The spiking network. If it has a ``record`` method, as `SpikingQNetwork` has, its spike-count
            readout is compared too, on the same states.
        env: Environment id, one environment, or a function that makes environments; by default that which the DQN
            names as its `env_id`.
        episodes: Number of episodes that each of the two plays.
        seed: Determines the episodes and the exploration, which both networks share.
        epsilon: Probability of a random action; the paper uses 0.05.
        driver: Whose states agreement is counted on.
        num_envs: Number of episodes that run at a time.
        max_episode_steps: Ends an episode, beside the environment's own limit.
        progress: Show a progress bar when standard error is a terminal.

    Returns:
        Both scores, their paired difference, and the agreement.

    Raises:
        ArgumentError: If ``driver`` is neither.

    Example:
        >>> dqn = lambda obs: (obs[:, 2:3] + obs[:, 3:4]) * obs.new_tensor([-1.0, 1.0])
        >>> comparison = compare_policies(dqn, lambda obs: dqn(obs).round(), "CartPole-v1", episodes=3)
        >>> comparison.agreement.mean < comparison.gap_weighted_agreement.mean
        True
    """
    if driver not in ("dqn", "snn"):
        raise ArgumentError(
            f'Expected driver "dqn" or "snn". Found {driver!r}. The paper lets the SNN drive.'
        )
    protocol = Protocol(env_of(env, dqn, snn), episodes, seed, epsilon, num_envs, max_episode_steps, progress)
    q_dqn, q_snn = player_of(dqn), readouts_of(snn)
    metrics = _Agreement()
    if driver == "snn":
        snn_scores = protocol.run(
            lambda *seen: (*q_snn(*seen), *q_dqn(*seen)),
            "SNN",
            lambda step: metrics.update(step, step.q[-1], step.q[:-1]),
        )
        dqn_scores = protocol.run(q_dqn, "DQN")
    else:
        dqn_scores = protocol.run(
            lambda *seen: (*q_dqn(*seen), *q_snn(*seen)),
            "DQN",
            lambda step: metrics.update(step, step.q[0], step.q[1:]),
        )
        snn_scores = protocol.run(q_snn, "SNN")
    return Comparison(
        dqn=dqn_scores,
        snn=snn_scores,
        difference=paired_interval(snn_scores.returns, dqn_scores.returns),
        driver=driver,
        agreement=metrics.robust.compute(),
        spike_count_agreement=metrics.spike_count.compute() if metrics.has_spike_count else None,
        gap_weighted_agreement=metrics.gap_weighted.compute(),
        regret=metrics.regret.compute(),
    )


class _Agreement:
    """The metrics of a comparison, fed step by step so that no observation need be kept."""

    def __init__(self) -> None:
        self.robust, self.spike_count = ActionAgreement(), ActionAgreement()
        self.gap_weighted, self.regret = GapWeightedAgreement(), Regret()
        self.has_spike_count = False

    def update(self, step: Step, q_dqn: Tensor, q_snn: tuple[Tensor, ...]) -> None:
        for metric in (self.robust, self.gap_weighted, self.regret):
            metric.update(q_dqn, q_snn[0], step.episode_ids)
        if len(q_snn) > 1:
            self.has_spike_count = True
            self.spike_count.update(q_dqn, q_snn[1], step.episode_ids)
