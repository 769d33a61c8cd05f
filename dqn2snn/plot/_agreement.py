"""Agreement over the number of time steps: measured by both readouts, or predicted beside measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dqn2snn.plot._style import ROBUST_COLOUR, SPIKE_COUNT_COLOUR, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dqn2snn.analysis.suggestion import Sweep
    from dqn2snn.metrics.confidence import Interval
    from dqn2snn.metrics.curve import AgreementCurve


def plot_agreement(curve: AgreementCurve, ax: Axes | None = None) -> Axes:
    """Draw agreement with the DQN over the number of time steps, for both readouts.

    The bands are the intervals of the curve, which hold at each number of steps by itself.

    Args:
        curve: From `agreement_curve`.
        ax: Where to draw; None makes a figure.

    Returns:
        The Axes, its time axis logarithmic: twice the steps always take as much room.

    Example:
        >>> from dqn2snn.metrics.confidence import Interval
        >>> from dqn2snn.metrics.curve import AgreementCurve
        >>> agreed = tuple(Interval(share, share - 0.1, share + 0.1, 0.95, 100) for share in (0.3, 0.6, 0.8))
        >>> axes = plot_agreement(AgreementCurve((1, 2, 3), robust=agreed, spike_count=agreed))
        >>> axes.get_xlabel()
        'time steps T'
    """
    ax = ax or new_figure(5.2, 3.4).subplots()
    last = curve.num_steps[-1]
    readouts = (
        ("robust rate", curve.robust, ROBUST_COLOUR),
        ("spike count", curve.spike_count, SPIKE_COUNT_COLOUR),
    )
    for name, intervals, colour in readouts:
        if not intervals:  # output neurons that do not fire
            continue
        label = f"{name}, {100 * intervals[-1].mean:.1f} % at T = {last}"
        _band(ax, curve.num_steps, intervals, label, colour, "-")
    ticks = [*(2**power for power in range(last.bit_length()) if 2**power < 0.7 * last), last]
    _axes(ax, ticks, (1, max(2, last)), curve.robust[-1], pad=24)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    return ax


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
    _band(ax, sweep.num_steps, sweep.predicted, "predicted", SPIKE_COUNT_COLOUR, "o--")
    _band(ax, sweep.num_steps, sweep.measured, "measured", ROBUST_COLOUR, "o-")
    first, last = min(sweep.num_steps), max(sweep.num_steps)
    _axes(ax, sweep.num_steps, (first, max(last, first + 1)), sweep.measured[-1])
    ax.legend(loc="lower right", frameon=False, fontsize="small")
    return ax


def _band(
    ax: Axes, num_steps: Sequence[int], intervals: Sequence[Interval], label: str, colour: str, line: str
) -> None:
    mean, low, high = ([getattr(interval, end) for interval in intervals] for end in ("mean", "low", "high"))
    ax.fill_between(num_steps, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(num_steps, mean, line, color=colour, linewidth=1.4, label=label, markersize=3)


def _axes(
    ax: Axes, ticks: Sequence[int], limits: tuple[int, int], last: Interval, pad: float | None = None
) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_yticks(np.linspace(0, 1, 6), [f"{percent} %" for percent in range(0, 101, 20)])
    ax.set(xlim=limits, ylim=(0, 1.02), xlabel="time steps T", ylabel="same action as the DQN")
    ax.set_title(f"Agreement on {last.count:,} observations, {100 * last.level:g} % intervals", pad=pad)
    ax.grid(color="#E4E7EB", linewidth=0.6)
    plain_frame(ax)
