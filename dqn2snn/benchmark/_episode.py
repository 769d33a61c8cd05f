"""Episodes of one network, each of which becomes a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import torch
from torch import Tensor

from dqn2snn._utils.progress import progress_bar
from dqn2snn.benchmark._network import agent_of, clipped_of, dqn_of, network_of, weights_of
from dqn2snn.benchmark._perturb import NONE, WEIGHTS, Perturbation, perturbed
from dqn2snn.benchmark._settings import CLIPPED, DQN, Settings, Unit
from dqn2snn.benchmark._store import Entry
from dqn2snn.metrics import synaptic_operations
from dqn2snn.play.policies import Places, Player, player_of
from dqn2snn.play.rollout import Step, play


def play_episodes(
    unit: Unit, episode_ids: Sequence[int], settings: Settings, directory: Path, progress: bool = True
) -> Iterator[Entry]:
    """Play episodes side by side.

    Agreement is counted on the states that the spiking network visits, before exploration replaces an action, as Tan
    et al. (2021) do. Under a perturbation the DQN that looks on sees what the spiking network sees, and has the same
    noise in its weights.

    Args:
        unit: Who plays.
        episode_ids: Numbers of the episodes.
        settings: Conditions and engine.
        directory: Where the benchmark writes.
        progress: Count the steps, of all these episodes at once, when standard error is a terminal.

    Yields:
        dict[str, Any]: Each episode when it is finished: its return and length and, of a spiking network, in how many
        decisions the DQN would have done the same (by the robust and by the spike-count readout), the spikes of the
        hidden layers and their synaptic operations.
    """
    spiking = unit.recipe != DQN
    q_functions = _watched(unit, settings, directory) if spiking else player_of(dqn_of(unit))
    perturbation = Perturbation.of(unit.perturbation)
    if perturbation.kind not in (NONE, WEIGHTS):
        env_id = agent_of(unit).env_id
        q_functions = perturbed(q_functions, perturbation, env_id, episode_ids, unit.first_seed)
    steps = play(
        q_functions,
        agent_of(unit).env_id,
        episode_ids=episode_ids,
        seed=unit.first_seed,
        epsilon=settings.conditions.epsilon,
        num_envs=len(episode_ids),
        max_episode_steps=settings.conditions.max_episode_steps,
    )
    sums: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(int))
    with closing(steps):
        for step in progress_bar(steps, label=str(unit), progress=progress, unit="step"):
            columns = _columns(step, spiking)
            for row, episode in enumerate(step.episode_ids.tolist()):
                for name, column in columns.items():
                    sums[episode][name] += column[row]
                if step.ended[row]:
                    yield {
                        **unit.key,
                        "episode": episode,
                        "weights": weights_of(unit.agent),
                        **sums.pop(episode),
                    }


def _watched(unit: Unit, settings: Settings, directory: Path) -> Player:
    """Q-values by both readouts and of the DQN; with them, as if it were Q-values too, what the decisions cost."""
    q_dqn = player_of(dqn_of(unit))
    if unit.recipe == CLIPPED:
        return _clipped(unit, settings, directory, q_dqn)
    snn = network_of(unit, settings.conditions, directory, settings.engine)
    stream = snn.stream()
    fan_outs = [snn.plan.fan_out(layer) for layer in range(len(snn.plan.layers))]

    def q(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        record = stream.record(observations, places.episode_start, places.rows)
        sent = record.sent[: len(fan_outs)]
        spikes = torch.stack([layer.double().flatten(1).sum(1) for layer in sent]).sum(0)
        costs = [spikes, synaptic_operations(sent, fan_outs)]
        dqn = q_dqn(observations, places)[0]
        by_counts = record.q if record.q_spike is None else record.q_spike
        # A step has a row for each decision; what rides along with the Q-values cannot get into another one's.
        return (record.q[-1], by_counts[-1], dqn, *(cost[:, None].expand(dqn.shape) for cost in costs))

    return q


def _clipped(unit: Unit, settings: Settings, directory: Path, q_dqn: Player) -> Player:
    """Q-values of the clipped DQN, which has one readout and no spikes, and of the DQN."""
    network = clipped_of(unit, settings.conditions, directory)

    def q(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
        clipped, none = network.saturated(observations), torch.zeros(len(observations), 1)
        dqn = q_dqn(observations, places)[0]
        return clipped, clipped, dqn, none.expand_as(dqn), none.expand_as(dqn)

    return q


def _columns(step: Step, spiking: bool) -> dict[str, list[float]]:
    """Columns of numbers that the rows of a step add to their episodes."""
    columns: dict[str, list[float]] = {
        "return": step.rewards.tolist(),
        "length": [1] * len(step.rewards),
    }
    if spiking:
        robust, spike_count, dqn, spikes, operations = step.q
        wanted = dqn.argmax(1)
        columns["agreed"] = (robust.argmax(1) == wanted).long().tolist()
        columns["agreed_spike_count"] = (spike_count.argmax(1) == wanted).long().tolist()
        columns["spikes"] = spikes[:, 0].tolist()
        columns["operations"] = operations[:, 0].tolist()
    return columns
