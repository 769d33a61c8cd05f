"""Backends: whose neurons a spiking network is built of.

A `Backend` says how a plan becomes a native network and how the engine "modules" steps it. Those of the package,
`BACKENDS`, and those of third parties are found the same way, by name: a package announces its own by an entry point of
the group ``dqn2snn.backends``, which names a `Backend`. `CurrentEncoder` and `synapse_modules` make what stands around
the neurons of stock torch modules.

Example:
    >>> backend_names()[:2]
    ('snntorch', 'norse')
    >>> backend_named("snntorch").build
    <function to_snntorch at ...>
"""

from __future__ import annotations

from dqn2snn.neurons.backends._backend import Adapter, Backend
from dqn2snn.neurons.backends._named import BACKENDS as BACKENDS
from dqn2snn.neurons.backends._named import GROUP as GROUP
from dqn2snn.neurons.backends._named import backend_named as backend_named
from dqn2snn.neurons.backends._named import backend_names
from dqn2snn.neurons.backends._native import native_network as native_network
from dqn2snn.neurons.synapses import CurrentEncoder, synapse_modules

__all__ = ["Adapter", "Backend", "CurrentEncoder", "backend_names", "synapse_modules"]
