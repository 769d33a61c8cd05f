"""Fine-tuning of a converted network towards the Q-values of the DQN, from observations alone.

A recipe's plan goes in, a plan of the same shape comes out: other weights, biases and initial membranes, the same
neurons. Neither rewards nor labels are needed; the DQN is the teacher. In a recipe they stand like corrections,
`"rate_if+surrogate:updates=3000"`, and they can be called by themselves: `(plan, graph, observations, *, updates=600,
...) -> plan`, in raw numbers, with the options of `Schedule`. They differ in what they take the gradient of:

* `qcfs`: of the quantised activation that the neurons would have if their inputs came evenly; never simulates.
* `dsr`: of the rate map, at the spike counts that the neurons really have.
* `surrogate`: of every single spike, through time.
* `tandem`: of the part that is not yet spiking; layer by layer, each is converted and frozen.
"""

from dqn2snn.recipes.finetune._schedule import Schedule
from dqn2snn.recipes.finetune.dsr import dsr
from dqn2snn.recipes.finetune.qcfs import qcfs
from dqn2snn.recipes.finetune.surrogate import surrogate
from dqn2snn.recipes.finetune.tandem import tandem

__all__ = ["Schedule", "dsr", "qcfs", "surrogate", "tandem"]
