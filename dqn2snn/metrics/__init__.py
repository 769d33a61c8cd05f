"""Metrics: how far a spiking network decides as its DQN does, how it fires, and what that costs.

**Decisions.** Every metric of agreement takes the Q-values of both networks on the same observations, `q_dqn`
and `q_snn` [B, A]. Each exists twice over the same equation: as a function that returns a float, and as a
streaming class whose ``update(q_dqn, q_snn, episode_ids)`` takes batches as they come, whose ``compute()``
returns an `Interval` clustered by episode, and whose ``reset()`` starts again.

========================  ======================  =====================================================
function                  class                   question
========================  ======================  =====================================================
`action_agreement`        `ActionAgreement`       How often is the decision the same? The conversion
                                                  rate of Tan et al. (2021).
`gap_weighted_agreement`  `GapWeightedAgreement`  The same question, near-ties counting for little.
`regret`                  `Regret`                What does the DQN think its spiking twin gives away?
`q_error`                 `QError`                How far off are the Q-values, as far as that can
                                                  change a decision?
========================  ======================  =====================================================

`agreement_curve` reads the agreement after 1, 2, ... T steps off one `record`.

**Activity and cost**, from the spike counts of a record: `firing_rates`, `silent_fraction`,
`saturated_fraction` and `synaptic_operations`.

    >>> import torch
    >>> q_dqn = torch.tensor([[1.0, 2.0], [3.0, 2.9], [0.0, 5.0], [4.0, 1.0]])
    >>> q_snn = torch.tensor([[1.1, 1.9], [2.8, 3.0], [0.2, 4.9], [3.5, 1.0]])   # wrong in one near-tie
    >>> action_agreement(q_dqn, q_snn)
    0.75
    >>> round(gap_weighted_agreement(q_dqn, q_snn), 3), round(regret(q_dqn, q_snn), 3)
    (0.989, 0.025)
    >>> metric = ActionAgreement()
    >>> for batch in (slice(0, 2), slice(2, 4)):
    ...     metric.update(q_dqn[batch], q_snn[batch])
    >>> print(metric.compute())
    0.75 [0.30, 0.95]
"""

from typing import TYPE_CHECKING

from dqn2snn._utils.lazy import lazy_modules
from dqn2snn.metrics.agreement import (
    ActionAgreement,
    GapWeightedAgreement,
    action_agreement,
    gap_weighted_agreement,
)
from dqn2snn.metrics.curve import agreement_curve
from dqn2snn.metrics.operations import synaptic_operations
from dqn2snn.metrics.q_error import QError, q_error
from dqn2snn.metrics.rates import firing_rates, saturated_fraction, silent_fraction
from dqn2snn.metrics.regret import Regret, regret

__all__ = [
    "ActionAgreement",
    "GapWeightedAgreement",
    "QError",
    "Regret",
    "action_agreement",
    "agreement_curve",
    "firing_rates",
    "gap_weighted_agreement",
    "q_error",
    "regret",
    "saturated_fraction",
    "silent_fraction",
    "synaptic_operations",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_modules(__name__, "torchmetrics")
