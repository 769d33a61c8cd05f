"""The shipped agents, what they see and what they convert to, made once a process."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

import dqn2snn
from dqn2snn import zoo
from dqn2snn.dynamics.record import Record
from dqn2snn.engine import simulate_reference
from dqn2snn.plan import SpikingPlan

NAMES = tuple(zoo.names())
NUM_STEPS = 500
"""T of the paper, for which the plans are made."""

agent = cache(dqn2snn.load_q_network)


@cache
def observations(name: str) -> Tensor:
    """520 states that the agent visits, evenly from its own play."""
    trained = agent(name)
    return dqn2snn.collect_observations(trained, 520, seed=0, max_episode_steps=300, progress=False)


@cache
def plan(name: str) -> SpikingPlan:
    """The agent's conversion by the paper's rule."""
    trained = agent(name)
    return dqn2snn.convert(trained, observations(name), recipe="tan2021", num_steps=NUM_STEPS).plan


@cache
def oracle(name: str, batch: int, num_steps: int = NUM_STEPS) -> Record:
    """What the float64 step loop makes of the first `batch` observations, with every spike."""
    with torch.no_grad():
        return simulate_reference(plan(name), observations(name)[:batch], num_steps, spikes=True)
