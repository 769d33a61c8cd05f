"""The networks that play: loaded once a process, converted once a directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from torch import Tensor

import dqn2snn
from dqn2snn import zoo
from dqn2snn.benchmark.suite.settings import DQN, Protocol, Unit
from dqn2snn.benchmark.table.settings import Rule
from dqn2snn.collect import collect_observations
from dqn2snn.engine.choice import Engine
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan_file import load_plan, save_plan

__all__ = ["agent_of", "network_of", "plan_of", "plan_path", "references_of", "weights_of"]

_agent = lru_cache(maxsize=2)(zoo.find)


def agent_of(unit: Unit) -> zoo.Agent:
    """The DQN with its environment."""
    return _agent(unit.agent)


def weights_of(agent: str) -> str:
    """A checksum that tells one training of an agent from another.

    Args:
        agent: Name or directory.

    Returns:
        str: 16 hexadecimal digits.
    """
    return _agent(agent).config["weights_sha256"][:16]


def references_of(agents: Iterable[str]) -> dict[str, zoo.Reference]:
    """Scores of random play and of a human, of the agents whose game has them.

    Args:
        agents: Names or directories.

    Returns:
        dict[str, Reference]: By agent.
    """
    found = {agent: zoo.reference_of(_agent(agent).env_id) for agent in agents}
    return {agent: reference for agent, reference in found.items() if reference is not None}


def plan_path(unit: Unit, protocol: Protocol, directory: Path) -> Path:
    """The file of a conversion; named after all that determines it.

    Args:
        unit: Who plays.
        protocol: The conditions.
        directory: Where the benchmark writes.

    Returns:
        Path: The file, whether it is there or not.
    """
    conditions = [unit.key, weights_of(unit.agent), asdict(protocol), dqn2snn.__version__]
    name = hashlib.sha256(json.dumps(conditions, sort_keys=True).encode()).hexdigest()[:16]
    return directory / "plans" / f"{name}.safetensors"


def plan_of(unit: Unit, protocol: Protocol, directory: Path) -> SpikingPlan:
    """A conversion out of its file, which is made where there is none.

    Workers that do not share the directory make files of their own in it; they are the same, since a conversion
    depends on nothing but its unit and the protocol.

    Args:
        unit: Who plays.
        protocol: The conditions.
        directory: Where the benchmark writes.

    Returns:
        SpikingPlan: The plan.
    """
    path = plan_path(unit, protocol, directory)
    if path.exists():
        return load_plan(path)
    plan = _convert(unit, protocol)
    with suppress(OSError):  # of workers on other machines, which need not be allowed to write there
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.is_dir():
        save_plan(plan, path)
    return plan


@lru_cache(maxsize=4)
def network_of(unit: Unit, protocol: Protocol, directory: Path, engine: Engine) -> SpikingQNetwork:
    """The spiking network of a unit, which needs one thread.

    Args:
        unit: Who plays.
        protocol: The conditions.
        directory: Where the benchmark writes.
        engine: What simulates.

    Returns:
        SpikingQNetwork: The network.
    """
    return SpikingQNetwork(plan_of(unit, protocol, directory), engine=engine, num_threads=1)


def _convert(unit: Unit, protocol: Protocol) -> SpikingPlan:
    assert unit.recipe != DQN
    rule = Rule.of(unit.recipe)
    return dqn2snn.convert(
        agent_of(unit).network,
        _observations(unit.agent, unit.first_seed, protocol),
        recipe=rule.build,
        num_steps=unit.num_steps,
        percentile=unit.percentile,
        corrections=rule.corrections,
    ).plan


@lru_cache(maxsize=1)
def _observations(agent: str, seed: int, protocol: Protocol) -> Tensor:
    found = _agent(agent)
    return collect_observations(
        found.env_id,
        found.network,
        protocol.calibration,
        seed=seed,
        epsilon=protocol.epsilon,
        max_steps=protocol.max_steps,
        progress=False,
    )
