"""The networks that play: loaded once a process, converted once a directory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

import dqn2snn
from dqn2snn.analysis.perturbation import noisy_graph, weight_noise
from dqn2snn.benchmark._perturb import NONE, WEIGHTS, Perturbation
from dqn2snn.benchmark._settings import CLIPPED, DQN, Conditions, Unit
from dqn2snn.errors import ArgumentError
from dqn2snn.io import zoo
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.file import load_plan, save_plan
from dqn2snn.plan.rate_network import RateNetwork
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.policies import Policy
from dqn2snn.recipes import Recipe, placed
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate

_LIMIT = "tan2021+none"
"""The recipe whose thresholds clip activations."""

_agent = lru_cache(maxsize=2)(dqn2snn.load_q_network)


def agent_of(unit: Unit) -> dqn2snn.QNetwork:
    """The DQN with its environment."""
    return _agent(unit.agent)


def dqn_of(unit: Unit) -> Policy:
    """The DQN, with noisy weights if the unit has such."""
    network = agent_of(unit)
    noise = Perturbation.of(unit.perturbation)
    return _noisy(unit.agent, noise.amount, unit.seed) if noise.kind == WEIGHTS else network


@lru_cache(maxsize=2)
def _noisy(agent: str, sigma: float, seed: int) -> Policy:
    found = _agent(agent)
    graph = trace(found, found.observation_shape or ())
    return noisy_graph(graph, sigma=sigma, seed=seed).cast(torch.float32)


def weights_of(agent: str) -> str:
    """A checksum that tells one training of an agent from another."""
    dqn = _agent(agent)
    return str(dqn.config.get("weights_sha256", dqn.provenance.sha256))[:16]


def references_of(agents: Iterable[str]) -> dict[str, zoo.Reference]:
    """Scores of random play and of a human, of the agents whose game has them.

    Args:
        agents: Names or directories.

    Returns:
        dict[str, Reference]: By agent.
    """
    found = {agent: zoo.reference_of(_agent(agent).env_id) for agent in agents}
    return {agent: reference for agent, reference in found.items() if reference is not None}


def plan_path(unit: Unit, conditions: Conditions, directory: Path) -> Path:
    """The file of a conversion; named after all that determines it."""
    made_of = unit if _is_noisy(unit) else replace(unit, perturbation=NONE)
    made_of_all = [made_of.key, weights_of(unit.agent), conditions.key, dqn2snn.__version__]
    name = hashlib.sha256(json.dumps(made_of_all, sort_keys=True).encode()).hexdigest()[:16]
    return directory / "plans" / f"{name}.safetensors"


def plan_of(unit: Unit, conditions: Conditions, directory: Path) -> SpikingPlan:
    """A conversion out of its file, which is made where there is none.

    Workers that do not share the directory make files of their own in it; they are the same, since a conversion
    depends on nothing but its unit and the conditions.
    """
    path = plan_path(unit, conditions, directory)
    if path.exists():
        return load_plan(path)
    plan = _convert(unit, conditions)
    with suppress(OSError):  # of workers on other machines, which need not be allowed to write there
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.is_dir():
        save_plan(plan, path)
    return plan


@lru_cache(maxsize=4)
def network_of(unit: Unit, conditions: Conditions, directory: Path, engine: str) -> SpikingQNetwork:
    """The spiking network of a unit, which needs one thread."""
    return SpikingQNetwork(plan_of(unit, conditions, directory), engine=engine, num_threads=1)


@lru_cache(maxsize=4)
def clipped_of(unit: Unit, conditions: Conditions, directory: Path) -> RateNetwork:
    """The DQN of a unit whose activations are clipped."""
    return RateNetwork.of(plan_of(unit, conditions, directory))


def _convert(unit: Unit, conditions: Conditions) -> SpikingPlan:
    assert unit.recipe != DQN
    clipped = unit.recipe == CLIPPED
    network = agent_of(unit)
    observations = _observations(unit.agent, unit.first_seed, conditions)
    noisy = _is_noisy(unit)
    plan = dqn2snn.convert(
        network,
        observations,
        recipe=_recipe(_LIMIT if clipped else unit.recipe, unit.percentile),
        num_steps=1 if clipped else unit.num_steps,
        grid=None if noisy or clipped else "auto",
    ).plan
    if not noisy:
        return plan
    graph = trace(network, tuple(observations.shape[1:]))
    sigma = Perturbation.of(unit.perturbation).amount
    spoilt = weight_noise(plan, graph, observations, sigma=sigma, seed=unit.seed)
    return spoilt if clipped else placed(spoilt, calibrate(graph, observations, progress=False), "auto")


def _recipe(text: str, percentile: float | None) -> Recipe:
    recipe = Recipe(text)
    if percentile is None:
        return recipe
    if recipe.percentile_option is None:
        raise ArgumentError(
            f"Expected no percentile for {recipe.rule.name}, which has none. Found {percentile!r}. Leave it out."
        )
    return recipe.with_options(**{recipe.percentile_option: percentile})


def _is_noisy(unit: Unit) -> bool:
    """Whether what was done to the unit is in its weights."""
    return Perturbation.of(unit.perturbation).kind == WEIGHTS


@lru_cache(maxsize=1)
def _observations(agent: str, seed: int, conditions: Conditions) -> Tensor:
    found = _agent(agent)
    return collect_observations(
        found,
        conditions.calibration,
        seed=seed,
        epsilon=conditions.epsilon,
        max_episode_steps=conditions.max_episode_steps,
        progress=False,
    )
