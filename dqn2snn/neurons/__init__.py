"""Networks of native neuron modules: `snntorch` and `norse`, each a reading of one `SpikingPlan`.

Each of the two submodules needs its own library, and is loaded when it is used:

    from dqn2snn.neurons.snntorch import IF, to_snntorch
    from dqn2snn.neurons.norse import IFCell, to_norse
"""

from typing import TYPE_CHECKING

from dqn2snn._utils.lazy import lazy_modules

if not TYPE_CHECKING:
    __getattr__ = lazy_modules(__name__, "norse", "snntorch")
