"""Recalibration on the states that the spiking network itself visits.

A spiking network that errs gets into states that its DQN would never have reached, and on which it has not been
calibrated. Ross, Gordon, Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online
Learning", AISTATS 2011, arXiv 1011.0686 (DAgger): let the imitator act, ask the teacher, and learn from both together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from dqn2snn._utils.progress import progress_bar
from dqn2snn.errors import ArgumentError
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.collect import collect_observations
from dqn2snn.play.envs import EnvSource, env_of
from dqn2snn.play.evaluate import evaluate_policy
from dqn2snn.recipes import Recipe
from dqn2snn.tracing import trace
from dqn2snn.tracing.calibration import calibrate
from dqn2snn.tracing.observations import Observations, as_tensor

_SELECTION = 2**21
"""Added to the seed for the episodes on which rounds are compared."""

_ROUND = 2**14
"""Distance between the seeds of two rounds. The episodes from `seed` on are left to the user."""


def aggregate(
    dqn: nn.Module,
    observations: Observations,
    *,
    env: EnvSource | None = None,
    recipe: str | Recipe = "rate+ridge_all",
    num_steps: int | None = None,
    rounds: int = 4,
    episodes: int = 30,
    states: int | None = None,
    epsilon: float = 0.0,
    max_episode_steps: int | None = None,
    seed: int = 0,
    grid: int | str | None = "auto",
    backend: str = "snntorch",
    engine: str = "auto",
    progress: bool = True,
) -> SpikingQNetwork:
    """Convert, let the spiking network play, convert again on what it saw as well, and keep the one that plays best.

    Round 0 converts and corrects on the given observations. Every later round adds states that the last round's
    network visits, on which the DQN says what is right, and corrects anew; thresholds stay those of the given
    observations, since the states of a network that fails are often far outside. All rounds are scored by their mean
    return over the same episodes, which serve for nothing else; of equal ones the first is kept. Agreement is not
    consulted: it does not predict the return.

    Args:
        dqn: The DQN.
        observations: `[N, *shape]`, states that the DQN visits.
        env: Environment id, one environment, or a function that makes environments; by default the `env_id` of the DQN.
        recipe: See `dqn2snn.convert`; its corrections are what learns from the states.
        num_steps: See `dqn2snn.convert`.
        rounds: How often the network plays and is converted again.
        episodes: Episodes on which each round is scored.
        states: States that each round adds; half as many as the observations by default.
        epsilon: Probability of a random action in all of this play.
        max_episode_steps: Ends an episode, for environments without a time limit.
        seed: Determines all episodes. None of them starts from `seed`, `seed + 1`, ... as in `evaluate_policy`.
        grid: See `dqn2snn.convert`.
        backend: See `dqn2snn.convert`.
        engine: See `dqn2snn.convert`.
        progress: Show progress bars when standard error is a terminal.

    Returns:
        SpikingQNetwork: The network of the best round; `plan.report["aggregate"]` has the mean return of every round,
            and which one it was. That return is the best of several and so too good: score it anew.

    Raises:
        ArgumentError: If `rounds`, `episodes` or `states` is out of range, there is no environment, or as
            `dqn2snn.convert` does.

    Example:
        >>> import dqn2snn
        >>> dqn = dqn2snn.load_q_network("cartpole")
        >>> options = dict(max_episode_steps=20, progress=False)
        >>> observations = dqn2snn.collect_observations(dqn, 100, **options)
        >>> snn = aggregate(dqn, observations, num_steps=4, rounds=1, episodes=2, **options)
        >>> len(snn.plan.report["aggregate"]["returns"])
        2
    """
    seen = as_tensor(observations).float()
    count = max(1, len(seen) // 2) if states is None else states
    if rounds < 0 or episodes < 1 or count < 1:
        raise ArgumentError(
            f"Expected rounds >= 0, and at least one episode and state. Found rounds={rounds}, episodes={episodes}, "
            f"states={states}. Try 4, 30 and None."
        )
    play: dict[str, Any] = {"epsilon": epsilon, "max_episode_steps": max_episode_steps, "progress": progress}
    env, asked = env_of(env, dqn), Recipe.of(recipe)
    asked.check_num_steps(num_steps)
    graph = trace(dqn, tuple(seen.shape[1:]))
    stats = calibrate(graph, observations, asked.percentiles, progress=progress)

    def converted() -> _Round:
        plan = asked.plan(graph, stats, seen, num_steps=num_steps, grid=grid)
        snn = SpikingQNetwork(plan, backend, engine, env=getattr(dqn, "env_id", ""))
        score = evaluate_policy(snn, env, episodes=episodes, seed=seed + _SELECTION, **play)
        return _Round(snn, score.interval.mean)

    done = [converted()]
    for number in progress_bar(range(1, rounds + 1), label="aggregate", progress=progress):
        visited = collect_observations(done[-1].snn, count, env=env, seed=seed + number * _ROUND, **play)
        seen = torch.cat([seen, visited])
        done.append(converted())
    best = max(done, key=lambda each: each.score)
    returns = [each.score for each in done]
    scores = {"round": done.index(best), "returns": returns, "episodes": episodes, "states": len(seen)}
    plan = replace(best.snn.plan, report={**best.snn.plan.report, "aggregate": scores})
    return SpikingQNetwork(plan, backend, engine, env=best.snn.env_id)


@dataclass(frozen=True, eq=False)
class _Round:
    snn: SpikingQNetwork
    score: float
