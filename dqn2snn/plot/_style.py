"""Colours, figures and frames that the pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dqn2snn._utils.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart. A ninth action starts over.
ACTION_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D1F", "#555555")
LAYER_COLOURS = ("#22313F", "#5D7B93")
ROBUST_COLOUR, SPIKE_COUNT_COLOUR = "#0072B2", "#D55E00"


def action_colours(num_actions: int) -> list[str]:
    """Give each action its colour, the same in every picture."""
    return [ACTION_COLOURS[action % len(ACTION_COLOURS)] for action in range(num_actions)]


def ordered_colours(count: int) -> list[str]:
    """Give each of an ordered row its colour, from dark to light."""
    shades = require("matplotlib", extra="plot").colormaps["viridis"]
    to_hex = require("matplotlib.colors", extra="plot").to_hex
    return [to_hex(shades(0.9 * number / max(1, count - 1))) for number in range(count)]


def some_neurons(num_neurons: int, most: int) -> NDArray[np.int64]:
    """Indices of at most so many neurons of a layer, evenly taken."""
    return np.unique(np.linspace(0, num_neurons - 1, min(most, num_neurons)).round().astype(np.int64))


def layer_label(name: str) -> str:
    """The name of a layer as pictures write it: "layer 2", but "conv1"."""
    return f"layer {name}" if name.isdigit() else name


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of so many inches that pyplot does not know of."""
    figure: Figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(width, height), dpi=150, layout="constrained"
    )
    return figure


def plain_frame(ax: Axes, *, left: bool = True) -> None:
    """Leave out the lines that carry no scale."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines["left"].set_visible(left)
    ax.title.set_fontsize("medium")
