"""The spiking networks of the MinAtar table: converted, or distilled on the states that they visit themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from dqn2snn.io.checkpoints import QNetwork
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.grid import on_grid
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.evaluate import evaluate_policy
from dqn2snn.recipes import rate_if, sigma_delta
from dqn2snn.recipes.finetune import qcfs, surrogate
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate

__all__ = ["NETWORKS", "Network", "Training", "made", "spiking"]


@dataclass(frozen=True)
class Network:
    """How a spiking network is made of a DQN.

    Attributes:
        spikes: What its neurons send, in words.
        recipe: Without its grid.
        finetune: How it is trained; None for networks that are converted only.
    """

    spikes: str
    recipe: Callable[..., SpikingPlan]
    finetune: Callable[..., SpikingPlan] | None = None


NETWORKS: Final[dict[str, Network]] = {
    "graded": Network(
        "graded signed, state kept",
        partial(sigma_delta, num_steps=6, levels=64, max_spikes=64, threshold="max"),
    ),
    "single-converted": Network(
        "single signed, state kept",
        partial(sigma_delta, num_steps=6, levels=16, max_spikes=1, threshold="max"),
    ),
    "single-2": Network(
        "single unsigned, memoryless",
        partial(rate_if, num_steps=2, threshold="max", readout="rate"),
        partial(surrogate, learning_rate=0.02),
    ),
    "single-4": Network(
        "single signed, state kept",
        partial(sigma_delta, num_steps=4, levels=8, max_spikes=1, threshold="max"),
        qcfs,
    ),
}
"""By name. Thresholds are largest activations: rare states matter most, and nothing is clipped in them."""


@dataclass(frozen=True)
class Training:
    """How a network is distilled. All seeds are far from those of the episodes that are reported.

    Attributes:
        observations: Of the DQN's own play to begin with, a third of them with many random actions.
        visited: Observations of the spiking network's play that every round adds.
        rounds: After the first.
        first_updates: Of training in the first round.
        updates: In each later one, at half the learning rate.
        batch_size: Of each.
        validation: Decisions, about, on which the return of each round is compared.
        seed: Of everything.
    """

    observations: int = 40_000
    visited: int = 20_000
    rounds: int = 2
    first_updates: int = 2000
    updates: int = 1000
    batch_size: int = 64
    validation: int = 50_000
    seed: int = 2_000_000


def spiking(plan: SpikingPlan) -> SpikingQNetwork:
    """A plan in raw numbers as a network on its grid; MinAtar shows zeros and ones."""
    snn = SpikingQNetwork(on_grid(plan, "auto", 1.0))
    snn.num_threads = 1
    return snn


def made(agent: QNetwork, network: Network, training: Training, tell: Callable[[str], None]) -> SpikingPlan:
    """Make the network of an agent.

    Training and play take turns (DAgger, Ross et al. 2011): every round learns from all states so far and then adds
    those that the network visits. The round with the highest return on the validation episodes is kept; agreement would
    choose others.

    Args:
        agent: A MinAtar agent.
        network: What to make of it.
        training: How.
        tell: Is told how it goes.

    Returns:
        SpikingPlan: In raw numbers.
    """
    states = _played(agent, training)
    graph = trace(agent, tuple(states.shape[1:]))
    stats = calibrate(graph, states[::4].float())
    plan = network.recipe(graph, stats, grid=None)
    if network.finetune is None:
        return plan
    best, highest = plan, -torch.inf
    for turn in range(training.rounds + 1):
        plan = _trained(network.finetune, plan, graph, states, training, turn)
        snn = spiking(plan)
        score = _validated(snn, agent, training)
        tell(f"round {turn}: return {score:.2f} on validation episodes")
        if score >= highest:
            best, highest = plan, score
        if turn < training.rounds:
            seed = training.seed + 10_000 * (turn + 1)
            states = torch.cat([states, _collected(agent, snn, training.visited, seed, 0.0)])
    return replace(best, report={"recipe": best.recipe, "validation_return": highest})


def _played(agent: QNetwork, training: Training) -> Tensor:
    wild = training.observations // 3
    return torch.cat(
        [
            _collected(agent, agent, training.observations - wild, training.seed, 0.05),
            _collected(agent, agent, wild, training.seed + 5000, 0.2),
        ]
    )


def _collected(agent: QNetwork, player: Any, count: int, seed: int, epsilon: float) -> Tensor:
    """Observations as bytes: they are zeros and ones."""
    return collect_observations(
        player, count, env=agent.env_id, seed=seed, epsilon=epsilon, num_envs=64, progress=False
    ).to(torch.uint8)


def _trained(
    finetune: Callable[..., SpikingPlan],
    plan: SpikingPlan,
    graph: LayerGraph,
    states: Tensor,
    training: Training,
    turn: int,
) -> SpikingPlan:
    rate = getattr(finetune, "keywords", {}).get("learning_rate", 0.01)
    updates, rate = (training.updates, rate / 2) if turn else (training.first_updates, rate)
    return finetune(
        plan,
        graph,
        states,
        updates=updates,
        batch_size=training.batch_size,
        learning_rate=rate,
        seed=turn,
        progress=True,
    )


def _validated(snn: SpikingQNetwork, agent: QNetwork, training: Training) -> float:
    length = {"MinAtar/Freeway-v0": 2500, "MinAtar/Asterix-v0": 600, "MinAtar/Breakout-v0": 70}
    episodes = max(16, min(200, training.validation // length.get(agent.env_id, 300)))
    seed = training.seed + 500_000
    scores = evaluate_policy(snn, agent.env_id, episodes=episodes, seed=seed, num_envs=64, progress=False)
    return scores.interval.mean
