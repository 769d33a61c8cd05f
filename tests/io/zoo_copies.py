"""Copies of a shipped agent, with something else about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dqn2snn import zoo

SHIPPED = Path(zoo.__file__).with_name("agents")


def save_copy(directory: Path, **changes: Any) -> zoo.Agent:
    """Save the CartPole agent again, with changes."""
    agent = zoo.load("cartpole")
    arguments: dict[str, Any] = {
        "network": agent.network,
        "name": agent.name,
        "env_id": agent.env_id,
        "observation_shape": agent.config["observation_shape"],
        "training": agent.config["training"],
        "evaluation": agent.config["evaluation"],
        "limitations": agent.config["limitations"],
    }
    return zoo.save_agent(directory, **(arguments | changes))
