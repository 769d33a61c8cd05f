"""Pictures of several panels: how they stand side by side, and lines with intervals in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn.metrics.confidence import Interval
from dqn2snn.plot._style import new_figure, plain_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 4


def save_panels(
    titles: Sequence[str], draw: Callable[[Axes, str], None], label: str, path: Path, columns: int = _COLUMNS
) -> None:
    """Draw a panel for each title, with one legend for all, and save the picture.

    Args:
        titles: Of the panels.
        draw: Fills the panel of a title.
        label: Of the vertical axes.
        path: Where to save.
        columns: Panels side by side, at most.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    columns = max(1, min(columns, len(titles)))
    rows = max(1, math.ceil(len(titles) / columns))
    height = 2.6 * rows + 0.3
    figure = new_figure(max(4.8, 3.3 * columns), height)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[len(titles) :]:
        panel.remove()
    named: dict[str, Any] = {}
    for panel, title in zip(panels, titles, strict=False):
        draw(panel, title)
        panel.set_title(title)
        plain_frame(panel)
        handles, names = panel.get_legend_handles_labels()
        named = {**dict(zip(names, handles, strict=True)), **named}
    for panel in panels[::columns][:rows]:
        panel.set_ylabel(label)
    if named:
        across = min(4, max(2, columns))
        figure.legend(
            list(named.values()),
            list(named),
            loc="outside lower center",
            ncols=across,
            frameon=False,
            fontsize="small",
        )
        figure.set_figheight(height + 0.2 * math.ceil(len(named) / across))
    figure.savefig(path)


def draw_intervals(
    panel: Axes,
    places: Sequence[float],
    found: Sequence[tuple[Interval, float]],
    style: str = "-",
    *,
    hollow: bool = False,
    **look: Any,
) -> None:
    """Draw a line through means, with the intervals as bars."""
    below, above = (
        [scale * _distance(interval, side) for interval, scale in found] for side in ("low", "high")
    )
    panel.errorbar(
        places,
        [scale * interval.mean for interval, scale in found],
        yerr=[below, above],
        linestyle=style,
        marker="o",
        markersize=3,
        markerfacecolor="white" if hollow else None,
        linewidth=1.2,
        **look,
    )


def _distance(interval: Interval, side: str) -> float:
    """From the mean to one end; 0 if there is none."""
    end: float = getattr(interval, side)
    return abs(interval.mean - end) if math.isfinite(end) else 0.0
