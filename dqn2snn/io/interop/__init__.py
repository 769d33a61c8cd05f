"""Plans as NIR graphs, and NIR graphs as plans.

NIR, the Neuromorphic Intermediate Representation (Pedersen et al. 2024, Nature Communications 15, 8122), is how
simulators and neuromorphic hardware exchange networks. `to_nir` builds the graph by hand, with the exact numbers of the
plan; `from_nir` reads it back bit by bit, and graphs of others as far as they are chains of layers.

NIR has no soft reset, no initial membranes and no several or negative spikes. What a plan needs of these is in the
graph's metadata, where `from_nir` finds it and others do not look. A plan that needs none of it, one of the correction
`hard_reset`, is complete in the graph itself; with ``reset="composite"``, soft resets and initial membranes are,
too. What Sinabs and SpikingJelly have read, `exact_sinabs` and `exact_spikingjelly` make fire the spikes of the plan.
"""

from dqn2snn.io.interop._from_nir import from_nir
from dqn2snn.io.interop._imported import exact_sinabs, exact_spikingjelly, unit_thresholds
from dqn2snn.io.interop._needs import needs
from dqn2snn.io.interop._to_nir import to_nir

__all__ = ["exact_sinabs", "exact_spikingjelly", "from_nir", "needs", "to_nir", "unit_thresholds"]
