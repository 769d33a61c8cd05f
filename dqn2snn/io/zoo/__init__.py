"""Trained deep Q-networks that come with the package, and the format in which they are kept.

An agent is a directory of three files, none of which is ever unpickled:

* ``weights.safetensors``: the weights in half precision, named as in the `torch.nn.Sequential`.
* ``config.json``: the layers, the environment, how it was trained and how it scored (`AgentConfig`).
* ``README.md``: the model card, which is rendered from ``config.json``.

There may be the learning curve beside them, ``curve.jsonl``.

The network of an agent is the rounded one: it was scored after its weights were rounded to half precision.
`dqn2snn.load_q_network` reads an agent by its name or from its directory, `save_agent` writes one. The agents of
`names` are in the package; those of `atari_names` are too large for it, and are found in a clone of the repository.

Example:
    >>> from dqn2snn import load_q_network
    >>> dqn = load_q_network("cartpole")
    >>> dqn.env_id
    'CartPole-v1'
    >>> dqn.config["layers"]
    [['linear', 4, 64], ['relu'], ['linear', 64, 64], ['relu'], ['linear', 64, 2]]
"""

from __future__ import annotations

from dqn2snn.io._layers import Divide
from dqn2snn.io._layers import build_network as build_network
from dqn2snn.io._layers import layers_of as layers_of
from dqn2snn.io.zoo._config import AgentConfig as AgentConfig
from dqn2snn.io.zoo._config import Score as Score
from dqn2snn.io.zoo._config import Training as Training
from dqn2snn.io.zoo._config import score_of
from dqn2snn.io.zoo._find import atari_names, names
from dqn2snn.io.zoo._references import Reference as Reference
from dqn2snn.io.zoo._references import reference_of as reference_of
from dqn2snn.io.zoo._write import round_to_half, save_agent

__all__ = ["Divide", "atari_names", "names", "round_to_half", "save_agent", "score_of"]
