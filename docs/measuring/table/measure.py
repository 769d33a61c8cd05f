"""One cell of the table: a conversion, judged on held-out states and in play."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

import dqn2snn
from dqn2snn.benchmark._store import Entry
from dqn2snn.errors import Dqn2SnnError
from dqn2snn.metrics import ActionAgreement, GapWeightedAgreement, Regret
from dqn2snn.metrics._streaming import StreamingMetric
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan.synapses import synapses
from dqn2snn.play.evaluate import Evaluation
from dqn2snn.play.evaluate._policy import Protocol as Play
from dqn2snn.play.evaluate._policy import plain
from dqn2snn.play.policies import Places, player_of
from dqn2snn.tracing import trace
from measuring.table.cost import Cost
from measuring.table.settings import DQN, Cell, Settings
from measuring.table.subject import Subject, subject

__all__ = ["measure"]


def measure(cell: Cell, settings: Settings) -> Entry:
    """Measure one cell.

    Args:
        cell: Which.
        settings: The conditions and the engine.

    Returns:
        dict[str, Any]: A line of the file. Of a recipe that does not apply it has the reason, under "refused".
    """
    who = subject(cell.agent, settings.conditions)
    if cell.recipe == DQN:
        return {**cell.key, **_baseline(who, settings)}
    try:
        snn = dqn2snn.convert(
            who.agent,
            who.calibration,
            recipe=cell.recipe,
            num_steps=cell.num_steps,
            engine=settings.engine,
        )
        snn.num_threads = 1
        found = {"held_out": _judge(snn, who)}
        if settings.play:
            found["play"] = _play(snn, who, settings)
    except Dqn2SnnError as error:
        return {**cell.key, "refused": str(error)}
    return {**cell.key, "spikes_kind": snn.plan.spikes_kind, "stateful": snn.plan.stateful, **found}


def _baseline(who: Subject, settings: Settings) -> Entry:
    """What the DQN and random play score, and how large everything is."""
    graph = trace(who.agent, tuple(who.calibration.shape[1:]))
    size = {
        "neurons": sum(layer.neurons for layer in graph.layers),
        "dqn_macs": sum(int(synapses(layer).sum()) for layer in graph.all_layers),
        "held_out": {"states": len(who.held_out.episodes)},
    }
    if not settings.play:
        return size
    episodes, player = _episodes(who, settings), player_of(who.agent)
    return {
        **size,
        "play": _scores(episodes.run(player, "dqn")),
        "random": _scores(replace(episodes, epsilon=1.0).run(player, "random")),
    }


def _judge(snn: SpikingQNetwork, who: Subject) -> Entry:
    """Agreement on the held-out states; what the decisions after the first of each window cost."""
    cost, stream, answers = Cost(snn.plan), snn.stream(), []
    batches = list(who.held_out.batches(in_order=snn.plan.stateful))
    for batch in batches:
        if snn.plan.stateful:
            record = stream.record(batch.observations, batch.first, batch.episodes)
        else:
            record = snn.record(batch.observations)
        answers.append(record.q[-1])
        cost.add(record, ~batch.first)
    q_dqn, episodes = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("q", "episodes"))
    found = {}
    for name, metric in _metrics().items():
        metric.update(q_dqn, torch.cat(answers), episodes)
        found[name] = plain(metric.compute())
    return {**found, **cost.to_dict()}


def _play(snn: SpikingQNetwork, who: Subject, settings: Settings) -> Entry:
    """The spiking network plays."""
    cost, stream = Cost(snn.plan), snn.stream()

    def q(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        record = stream.record(observations, places.episode_start, places.rows)
        cost.add(record)
        return (record.q[-1],)

    return {**_scores(_episodes(who, settings).run(q, "snn")), **cost.to_dict()}


def _episodes(who: Subject, settings: Settings) -> Play:
    count = settings.conditions.episodes
    return Play(who.agent.env_id, count, settings.conditions.seed, 0.0, count, None, progress=False)


def _metrics() -> dict[str, StreamingMetric]:
    return {
        "agreement": ActionAgreement(),
        "gap_weighted_agreement": GapWeightedAgreement(),
        "regret": Regret(),
        "relative_regret": Regret(relative=True),
    }


def _scores(evaluation: Evaluation) -> Entry:
    found = evaluation.to_dict()
    return {"return": found["interval"], "returns": found["returns"], "lengths": found["lengths"]}
