"""The still pictures of the demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dqn2snn.benchmark._panels import save_panels
from dqn2snn.io.checkpoints import QNetwork
from dqn2snn.metrics.curve import AgreementCurve
from dqn2snn.network import SpikingQNetwork
from dqn2snn.play.envs import action_names, make_env
from dqn2snn.play.study import fresh_rollout
from dqn2snn.plot import plot_agreement, plot_decision

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_curves(curves: Mapping[str, AgreementCurve], path: Path) -> None:
    """Draw agreement over T, one panel for each agent.

    Args:
        curves: By the names of the agents.
        path: Where to save.
    """

    def draw(panel: Axes, name: str) -> None:
        plot_agreement(curves[name], panel)
        if (legend := panel.get_legend()) is not None:
            legend.remove()  # one for all panels stands below them
        for line, readout in zip(panel.get_lines(), ("robust rate", "spike count"), strict=True):
            line.set_label(readout)
        last = curves[name].num_steps[-1]
        ticks = [*(step for step in (1, 4, 16, 64, 256, 1024) if step < 0.4 * last), last]
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.set_title(name, pad=4)

    save_panels(list(curves), draw, "same action as the DQN", path)


def draw_decision(dqn: QNetwork, snn: SpikingQNetwork, seed: int, path: Path) -> None:
    """Draw one decision in the middle of an episode: spikes, and Q-values that settle.

    Args:
        dqn: The DQN.
        snn: Its spiking network.
        seed: Determines the episode.
        path: Where to save.
    """
    with closing(make_env(dqn.env_id)) as env:
        names = action_names(env)
    rollout = fresh_rollout(dqn, 3, seed=seed, min_episodes=1, progress=False)
    middle = slice(1, 2)
    record = snn.record(rollout.observations[middle], spikes=True)
    plot_decision(record, q_dqn=rollout.q[middle], action_names=names).savefig(path)
