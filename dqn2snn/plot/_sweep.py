"""Predicted beside measured agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dqn2snn.plot._style import ROBUST_COLOUR, SPIKE_COUNT_COLOUR, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dqn2snn.analysis.suggestion import Sweep
    from dqn2snn.metrics.confidence import Interval

__all__ = ["plot_sweep"]


def plot_sweep(sweep: Sweep, ax: Axes | None = None) -> Axes:
    """Draw predicted and measured agreement with the DQN over the number of time steps.

    Args:
        sweep: From `sweep_agreement`.
        ax: Where to draw; None makes a figure.

    Returns:
        The Axes, its time axis logarithmic.

    Example:
        >>> from dqn2snn.metrics.confidence import Interval
        >>> from dqn2snn.analysis.suggestion import Sweep
        >>> agreed = tuple(Interval(share, share - 0.1, share + 0.1, 0.95, 100) for share in (0.3, 0.6, 0.8))
        >>> plot_sweep(Sweep((1, 2, 4), agreed, agreed)).get_xlabel()
        'time steps T'
    """
    ax = ax or new_figure(5.2, 3.4).subplots()
    _band(ax, sweep.num_steps, sweep.predicted, "predicted", SPIKE_COUNT_COLOUR, "--")
    _band(ax, sweep.num_steps, sweep.measured, "measured", ROBUST_COLOUR, "-")
    ax.set_xscale("log", base=2)
    ax.set_xticks(sweep.num_steps, [str(step) for step in sweep.num_steps])
    ax.set_yticks(np.linspace(0, 1, 6), [f"{percent} %" for percent in range(0, 101, 20)])
    ax.set(xlim=(min(sweep.num_steps), max(max(sweep.num_steps), min(sweep.num_steps) + 1)), ylim=(0, 1.02))
    ax.set(xlabel="time steps T", ylabel="same action as the DQN")
    ax.legend(loc="lower right", frameon=False, fontsize="small")
    level, count = sweep.measured[-1].level, sweep.measured[-1].count
    ax.set_title(f"Agreement on {count:,} observations, {100 * level:g} % intervals")
    ax.grid(color="#E4E7EB", linewidth=0.6)
    plain_frame(ax)
    return ax


def _band(
    ax: Axes, steps: Sequence[int], intervals: Sequence[Interval], name: str, colour: str, line: str
) -> None:
    mean, low, high = ([getattr(interval, end) for interval in intervals] for end in ("mean", "low", "high"))
    ax.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(steps, mean, line, color=colour, linewidth=1.4, label=name, marker="o", markersize=3)
