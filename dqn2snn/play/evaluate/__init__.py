"""Scores of a network that plays, and a DQN beside its spiking counterpart under one protocol.

Tan et al. (2021) let the spiking network play and count the decisions in which the DQN would have done the
same: their conversion rate, here `agreement`. They score the spiking network only. `compare_policies` gives
both networks the same episodes with the same exploration, and states every number with its interval.

    >>> import dqn2snn.io.zoo
    >>> dqn = dqn2snn.load_q_network("minatar-breakout")
    >>> evaluate_policy(dqn, episodes=5).returns
    (7.0, 6.0, 7.0, 2.0, 4.0)
"""

from dqn2snn.play.evaluate._compare import Comparison, compare_policies
from dqn2snn.play.evaluate._policy import Evaluation, evaluate_policy

__all__ = ["Comparison", "Evaluation", "compare_policies", "evaluate_policy"]
