"""Copies of a shipped agent, with something else about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dqn2snn import QNetwork, load_q_network, zoo

SHIPPED = Path(zoo.__file__).with_name("agents")


def save_copy(directory: Path, **changes: Any) -> QNetwork:
    """Save the CartPole agent again, with changes."""
    agent = load_q_network("cartpole")
    arguments: dict[str, Any] = {
        "dqn": agent,
        "name": agent.name,
        "env": agent.env_id,
        "observation_shape": agent.config["observation_shape"],
        "training": agent.config["training"],
        "evaluation": agent.config["evaluation"],
        "limitations": agent.config["limitations"],
    }
    return zoo.save_agent(directory, **(arguments | changes))
