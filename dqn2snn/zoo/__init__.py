"""Trained deep Q-networks that come with the package, and the format in which they are kept.

An agent is a directory of three files, none of which is ever unpickled:

* ``weights.safetensors``: the weights in half precision, named as in the `torch.nn.Sequential`.
* ``config.json``: the layers, the environment, how it was trained and how it scored (`AgentConfig`).
* ``README.md``: the model card, which is rendered from ``config.json``.

The network of an agent is the rounded one: it was scored after its weights were rounded to half precision.
`load` reads an agent of the package by name, `load_agent` reads any directory, `save_agent` writes one.

Example:
    >>> agent = load("cartpole")
    >>> agent.env_id
    'CartPole-v1'
    >>> agent.config["layers"]
    [['linear', 4, 64], ['relu'], ['linear', 64, 64], ['relu'], ['linear', 64, 2]]
"""

from __future__ import annotations

from dqn2snn.zoo._agent import Agent, load, load_agent, names
from dqn2snn.zoo._config import AgentConfig, Score, Training, score_of
from dqn2snn.zoo._layers import build_network, describe_network
from dqn2snn.zoo._write import round_to_half, save_agent

__all__ = [
    "Agent",
    "AgentConfig",
    "Score",
    "Training",
    "build_network",
    "describe_network",
    "load",
    "load_agent",
    "names",
    "round_to_half",
    "save_agent",
    "score_of",
]
