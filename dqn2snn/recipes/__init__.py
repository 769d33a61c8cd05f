"""How a plan is made: a `Recipe` is a rule and the corrections or fine-tunings after it, one line of text.

One paper, one file, one pure function: rules `(graph, stats, *, num_steps, grid) -> SpikingPlan` here, corrections in
`dqn2snn.recipes.correction` and fine-tunings in `dqn2snn.recipes.finetune`, both `(plan, graph, observations) ->
SpikingPlan`. `dqn2snn.recipes.registry` has all of them by name. Packages add others by entry points of the groups
``dqn2snn.recipes``, ``dqn2snn.corrections`` and ``dqn2snn.finetunings``.
"""

from dqn2snn.recipes._assemble import placed as placed
from dqn2snn.recipes._values import Value as Value
from dqn2snn.recipes.bu2022 import bu2022
from dqn2snn.recipes.burst import burst
from dqn2snn.recipes.deng2021 import deng2021
from dqn2snn.recipes.diehl2015 import diehl2015
from dqn2snn.recipes.rate import rate
from dqn2snn.recipes.rate_if import rate_if
from dqn2snn.recipes.recipe import Recipe
from dqn2snn.recipes.registry import entry_named as entry_named
from dqn2snn.recipes.registry import names_of as names_of
from dqn2snn.recipes.rueckauer2017 import rueckauer2017
from dqn2snn.recipes.sigma_delta import sigma_delta
from dqn2snn.recipes.tan2021 import tan2021
from dqn2snn.recipes.ttfs import ttfs
from dqn2snn.recipes.xu2026 import xu2026

__all__ = [
    "Recipe",
    "bu2022",
    "burst",
    "deng2021",
    "diehl2015",
    "rate",
    "rate_if",
    "rueckauer2017",
    "sigma_delta",
    "tan2021",
    "ttfs",
    "xu2026",
]
