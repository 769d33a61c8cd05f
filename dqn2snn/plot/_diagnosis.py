"""Where the error of decisions comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dqn2snn.plot._style import ACTION_COLOURS, new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dqn2snn.analysis.diagnosis import Diagnosis


def plot_diagnosis(diagnosis: Diagnosis, ax: Axes | None = None) -> Axes:
    """Draw the shares of the decision error, layer by layer and cause by cause.

    Args:
        diagnosis: From `diagnose`.
        ax: Where to draw; None makes a figure.

    Returns:
        The Axes. Bars to the left of zero make up for other errors.
    """
    ax = ax or new_figure(6.4, 1.2 + 0.45 * (len(diagnosis.layers) + 1)).subplots()
    names = [*(f"layer {layer.name}" for layer in diagnosis.layers), "outside neurons"]
    parts = [*(layer.shares for layer in diagnosis.layers), diagnosis.outside]
    causes = list(dict.fromkeys(cause for shares in parts for cause in shares))
    for cause, colour in zip(causes, ACTION_COLOURS, strict=False):
        left = [_before(shares, cause) for shares in parts]
        width = [100 * shares.get(cause, 0.0) for shares in parts]
        ax.barh(names, width, left=left, color=colour, height=0.62, label=cause)
    ax.invert_yaxis()
    ax.axvline(0, color="#22313F", linewidth=0.8)
    ax.set_xlabel("share of the mean square decision error, %")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
    agreed = f"{100 * diagnosis.agreement.mean:.1f} %"
    ax.set_title(f"{diagnosis.recipe}, T = {diagnosis.num_steps}, agreement {agreed}")
    plain_frame(ax)
    return ax


def _before(shares: Mapping[str, float], cause: str) -> float:
    """Where the bar of a cause begins: after those of the same sign before it."""
    own, total = shares.get(cause, 0.0), 0.0
    for other, share in shares.items():
        if other == cause:
            break
        if share * own > 0:
            total += 100 * share
    return total
