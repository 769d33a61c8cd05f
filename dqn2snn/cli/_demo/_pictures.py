"""The still pictures of the demonstration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.extras import require
from dqn2snn.io.checkpoints import QNetwork
from dqn2snn.metrics.confidence import Interval
from dqn2snn.metrics.curve import AgreementCurve
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.envs import action_names, make_env
from dqn2snn.play.study import fresh_rollout
from dqn2snn.plot import plot_agreement, plot_decision

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_agreement", "draw_decision"]

COLUMNS = 4


def draw_agreement(results: Mapping[str, Any], path: Path) -> None:
    """Draw agreement over T on fresh observations, one panel an agent.

    Args:
        results: The content of `results.json`.
        path: Where to save.
    """
    agents = results["agents"]
    columns = min(COLUMNS, len(agents))
    rows = math.ceil(len(agents) / columns)
    figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(3.1 * columns, 2.4 * rows + 0.4), dpi=110, layout="constrained"
    )
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for panel in panels[len(agents) :]:
        panel.remove()
    for number, (name, agent) in enumerate(agents.items()):
        _draw_panel(panels[number], name, _curve(agent["on_fresh_observations"]["curve"]))
        panels[number].label_outer()
        if number + columns >= len(agents):  # nothing is below it
            panels[number].tick_params(labelbottom=True)
            panels[number].set_xlabel("time steps T")
    lines = panels[0].get_lines()
    figure.legend(lines, ["robust rate", "spike count"], loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path)


def _draw_panel(panel: Axes, name: str, curve: AgreementCurve) -> None:
    plot_agreement(curve, panel)
    panel.set_title(name, fontsize="medium", pad=4)
    if (legend := panel.get_legend()) is not None:
        legend.remove()  # one for all panels stands above them
    last = curve.num_steps[-1]
    ticks = [*(step for step in (1, 4, 16, 64, 256, 1024) if step < 0.4 * last), last]
    panel.set_xticks(ticks, [str(tick) for tick in ticks])


def draw_decision(agent: QNetwork, snn: SpikingQNetwork, seed: int, path: Path) -> None:
    """Draw one decision in the middle of an episode: spikes, and Q-values that settle.

    Args:
        agent: The agent.
        snn: Its spiking network.
        seed: Determines the episode.
        path: Where to save.
    """
    with closing(make_env(agent.env_id)) as env:
        names = action_names(env)
    rollout = fresh_rollout(agent, 3, seed=seed, min_episodes=1, progress=False)
    middle = slice(1, 2)
    record = snn.record(rollout.observations[middle], spikes=True)
    plot_decision(record, q_dqn=rollout.q[middle], action_names=names).savefig(path)


def _curve(stored: Mapping[str, Any]) -> AgreementCurve:
    robust, spike_count = (
        tuple(Interval(**interval) for interval in stored[readout]) for readout in ("robust", "spike_count")
    )
    return AgreementCurve(tuple(stored["steps"]), robust, spike_count)
