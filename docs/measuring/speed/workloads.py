"""The networks that everybody simulates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dqn2snn.conversion import convert
from dqn2snn.engine import simulate_reference
from dqn2snn.io import zoo
from dqn2snn.io.checkpoints import load_q_network
from dqn2snn.plan import SpikingPlan
from dqn2snn.play.collect import collect_observations
from measuring.speed.atari import random_play
from measuring.speed.exact import exact_in_float32
from measuring.speed.nature import nature_network, with_rates

__all__ = ["GAMES", "Workload", "load", "names"]

GAMES = ("breakout", "pong", "space_invaders")
"""Whose frames the Nature network sees."""

NUM_STEPS = 500
"""T that plans are made for; every smaller one is exact as well."""

OBSERVATIONS = 256

RATE = 0.07


@dataclass(frozen=True, eq=False)
class Workload:
    """One network with observations for it.

    Attributes:
        name: As on the command line.
        note: What it is.
        dqn: The DQN.
        plan: Its spiking network, with a first layer that float32 computes exactly.
        observations: `[N, *shape]`, on the grid of the plan.
    """

    name: str
    note: str
    dqn: nn.Module
    plan: SpikingPlan
    observations: Tensor

    def batch(self, size: int) -> Tensor:
        """So many observations, contiguous, the first ones; they repeat if there are not enough."""
        times = -(-size // len(self.observations))
        return self.observations.repeat(times, *(1 for _ in self.plan.input_shape))[:size].contiguous()

    def rates(self, num_steps: int = 64, batch: int = 16) -> dict[str, float]:
        """Mean spikes per neuron and step of each hidden layer."""
        with torch.no_grad():
            record = simulate_reference(self.plan, self.batch(batch), num_steps)
        pairs = zip(record.layer_names[:-1], record.counts[:-1], strict=True)
        return {name: float(count.mean()) / num_steps for name, count in pairs}


def names() -> tuple[str, ...]:
    """The networks that `load` knows by name.

    Example:
        >>> names()[0]
        'nature'
    """
    return ("nature", *zoo.names())


def load(name: str) -> Workload:
    """Make a network ready.

    Args:
        name: "nature", the name of an agent, or a directory with one.

    Returns:
        Workload: The network, converted, and what it sees.

    Raises:
        CheckpointError: If there is no such network.
        MissingExtraError: If what its observations come from is not installed.

    Example:
        >>> workload = load("cartpole")
        >>> workload.plan.num_actions, workload.batch(3).shape
        (2, torch.Size([3, 4]))
    """
    if name == "nature":
        return _nature()
    agent = load_q_network(name)
    observations = collect_observations(agent, OBSERVATIONS, progress=False)
    return _workload(agent.name, f"{agent.env_id}, an agent of the zoo", agent, observations)


def _nature() -> Workload:
    frames = random_play(GAMES, OBSERVATIONS)
    network = with_rates(nature_network(frames.shape[1], seed=0), frames, RATE)
    return _workload("nature", f"seeded weights, rates of about {RATE:.0%}, Atari frames", network, frames)


def _workload(name: str, note: str, dqn: nn.Module, observations: Tensor) -> Workload:
    plan = convert(dqn, observations, recipe="tan2021", num_steps=NUM_STEPS).plan
    plan, observations = exact_in_float32(plan, observations)
    return Workload(name, note, dqn, plan, observations)
