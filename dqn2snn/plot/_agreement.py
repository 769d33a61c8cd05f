"""Agreement over the number of time steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dqn2snn.plot._style import ROBUST_COLOUR, SPIKE_COUNT_COLOUR, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dqn2snn.metrics import AgreementCurve

__all__ = ["plot_agreement"]


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
        >>> from dqn2snn.metrics import AgreementCurve
        >>> agreed = tuple(Interval(share, share - 0.1, share + 0.1, 0.95, 100) for share in (0.3, 0.6, 0.8))
        >>> axes = plot_agreement(AgreementCurve((1, 2, 3), robust=agreed, spike_count=agreed))
        >>> axes.get_xlabel()
        'time steps T'
    """
    ax = ax or new_figure(5.2, 3.4).subplots()
    readouts = (
        ("robust rate", curve.robust, ROBUST_COLOUR),
        ("spike count", curve.spike_count, SPIKE_COUNT_COLOUR),
    )
    for name, intervals, colour in readouts:
        mean, low, high = (
            np.array([getattr(interval, end) for interval in intervals]) for end in ("mean", "low", "high")
        )
        ax.fill_between(curve.num_steps, low, high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(
            curve.num_steps,
            mean,
            color=colour,
            linewidth=1.4,
            label=f"{name}, {100 * mean[-1]:.1f} % at T = {curve.num_steps[-1]}",
        )
    last = curve.num_steps[-1]
    ticks = [*(2**power for power in range(last.bit_length()) if 2**power < 0.7 * last), last]
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_yticks(np.linspace(0, 1, 6), [f"{percent} %" for percent in range(0, 101, 20)])
    ax.set(xlim=(1, max(2, last)), ylim=(0, 1.02))
    ax.set(xlabel="time steps T", ylabel="same action as the DQN")
    level, count = curve.robust[-1].level, curve.robust[-1].count
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")
    ax.set_title(f"Agreement on {count:,} observations, {100 * level:g} % intervals", pad=24)
    ax.grid(color="#E4E7EB", linewidth=0.6)
    plain_frame(ax)
    return ax
