"""Loading trained deep Q-networks from the files of the frameworks that train them, without running anything in them.

One format, one file. `load_q_network` opens a file to a `Source`, its tensors and plain data, and asks the `READERS` in
turn; the first that knows the format makes a `QNetwork` of it. A package of a third party adds a reader, a function
from `Source` to `QNetwork` or None, by an entry point of the group ``dqn2snn.checkpoints``; `weights_of`, `geometry_of`
and `q_network_of` help to write it.

Example:
    >>> dqn = load_q_network("cartpole")
    >>> dqn.observation_shape, dqn.num_actions, dqn.provenance.rule
    ((4,), 2, 'zoo')
"""

from __future__ import annotations

from dqn2snn.io._preset import PRESETS, Preset
from dqn2snn.io._q_network import Provenance, QNetwork
from dqn2snn.io.checkpoints._load import load_q_network
from dqn2snn.io.checkpoints._made import q_network_of
from dqn2snn.io.checkpoints._readers import READERS as READERS
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.checkpoints._weights import geometry_of, weights_of
from dqn2snn.io.checkpoints.cleanrl import ExpectedValue

__all__ = [
    "PRESETS",
    "ExpectedValue",
    "Preset",
    "Provenance",
    "QNetwork",
    "Source",
    "geometry_of",
    "load_q_network",
    "q_network_of",
    "weights_of",
]
