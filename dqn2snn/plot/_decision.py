"""One decision: the spikes of every layer, and the Q-values after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dqn2snn.errors import ArgumentError
from dqn2snn.plot._style import (
    LAYER_COLOURS,
    action_colours,
    layer_label,
    new_figure,
    plain_frame,
    some_neurons,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from dqn2snn.dynamics.record import Record


def plot_raster(
    record: Record, observation: int = 0, *, max_neurons: int = 60, ax: Axes | None = None
) -> Axes:
    """Draw the spikes of one decision, layer under layer, time to the right.

    Args:
        record: A record with spikes, from ``snn.record(observations, spikes=True)``.
        observation: Which row of the batch.
        max_neurons: How many neurons of each layer to draw. They are taken evenly, and the picture says so.
        ax: Where to draw; None makes a figure.

    Returns:
        The Axes.

    Raises:
        ArgumentError: If the record holds no spikes, or no such observation.
    """
    if record.spikes is None:
        raise ArgumentError(
            "Expected a record with spikes. Found one without. Call snn.record(..., spikes=True)."
        )
    _check_observation(record, observation)
    ax = ax or new_figure(6.4, 4.4).subplots()
    top = 0.0
    centres, labels = [], []
    for index, (name, layer) in enumerate(zip(record.layer_names, record.spikes, strict=True)):
        spikes = layer[:, observation].flatten(1).cpu().numpy()
        is_output = index == len(record.spikes) - 1
        bottom = top + (0.5 if is_output else 1.0)
        size = _draw_layer(
            ax, spikes, top, bottom, max_neurons, None if is_output else LAYER_COLOURS[index % 2]
        )
        centres.append((top + bottom) / 2)
        labels.append(f"{layer_label(name)}\n{size}")
        top = bottom + 0.08
    ax.set(xlim=(0.5, record.num_steps + 0.5), ylim=(top - 0.04, -0.04), xlabel="time step")
    ax.set_yticks(centres, labels)
    ax.tick_params(axis="y", length=0)
    ax.set_title(
        f"Spikes of one decision in {record.num_steps} steps (at most {max_neurons} neurons a layer)"
    )
    plain_frame(ax, left=False)
    return ax


def plot_q_values(
    record: Record,
    observation: int = 0,
    *,
    q_dqn: Tensor | None = None,
    action_names: Sequence[str] | None = None,
    centred: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the Q-values that the robust readout gives after each step, and which action would be taken then.

    Args:
        record: A record.
        observation: Which row of the batch.
        q_dqn: The DQN's Q-values of the batch, ``[B, A]``, drawn as dashed lines.
        action_names: One name an action, for the legend.
        centred: Subtract at each step the mean over the actions. What all actions have in common, which decides
            nothing, may be a hundred times as large as what sets them apart.
        ax: Where to draw; None makes a figure.

    Returns:
        The Axes. The strip at its foot has the colour of the greedy action after each step.

    Raises:
        ArgumentError: If the record holds no such observation.
    """
    _check_observation(record, observation)
    ax = ax or new_figure(6.4, 3.2).subplots()
    q = _centre(record.q[:, observation].cpu().double().numpy(), centred)
    target = None if q_dqn is None else _centre(q_dqn[observation].detach().cpu().double().numpy(), centred)
    num_steps, num_actions = q.shape
    names = action_names or [f"action {action}" for action in range(num_actions)]
    for action, colour in enumerate(action_colours(num_actions)):
        ax.plot(np.arange(1, num_steps + 1), q[:, action], color=colour, linewidth=1.3, label=names[action])
        if target is not None:
            ax.axhline(target[action], color=colour, linewidth=1.0, linestyle=(0, (4, 3)))
        # Time below as everywhere, but a share of the Axes' height beside.
        foot = ax.get_xaxis_transform()
        chosen = [(step + 0.5, 1) for step in np.flatnonzero(q.argmax(1) == action)]
        ax.broken_barh(chosen, (0.0, 0.03), color=colour, linewidth=0, antialiased=False, transform=foot)
    ax.set(xlim=(0.5, num_steps + 0.5), ylim=_settled_range(q, target))
    ax.set(xlabel="time step", ylabel="Q-value less its mean" if centred else "Q-value")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
    ax.set_title(f"Q-values{' of SNN and DQN (dashed)' if target is not None else ''}, strip: greedy action")
    plain_frame(ax)
    return ax


def plot_decision(
    record: Record,
    observation: int = 0,
    *,
    q_dqn: Tensor | None = None,
    action_names: Sequence[str] | None = None,
    max_neurons: int = 60,
) -> Figure:
    """Draw `plot_raster` above `plot_q_values` on one time axis.

    Args:
        record: A record with spikes, from ``snn.record(observations, spikes=True)``.
        observation: Which row of the batch.
        q_dqn: The DQN's Q-values of the batch, ``[B, A]``, drawn as dashed lines.
        action_names: One name an action, for the legend.
        max_neurons: How many neurons of each layer to draw.

    Returns:
        The figure.

    Example:
        >>> import torch, dqn2snn
        >>> dqn = dqn2snn.load_q_network("cartpole")
        >>> observations = torch.rand(64, 4) - 0.5
        >>> record = dqn2snn.convert(dqn, observations, num_steps=32).record(observations, spikes=True)
        >>> len(plot_decision(record, 5, action_names=["left", "right"]).axes)
        2
    """
    figure = new_figure(7.2, 6.4)
    raster, q_values = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    plot_raster(record, observation, max_neurons=max_neurons, ax=raster)
    plot_q_values(record, observation, q_dqn=q_dqn, action_names=action_names, ax=q_values)
    raster.set_xlabel("")
    return figure


def _draw_layer(
    ax: Axes, spikes: NDArray[np.bool_], top: float, bottom: float, max_neurons: int, colour: str | None
) -> str:
    total = spikes.shape[1]
    drawn = some_neurons(total, max_neurons)
    steps, rows = np.nonzero(spikes[:, drawn])
    row_height = (bottom - top) / len(drawn)
    upper = top + (rows + 0.08) * row_height
    colours = colour or [action_colours(total)[row] for row in rows]
    ax.axhspan(top, bottom, color="#F4F5F7", linewidth=0, zorder=0)
    stroke = min(2.0, max(0.7, 250 / len(spikes)))
    # Hundreds of thousands of strokes would make a vector file unreadably large: they become pixels in it.
    ax.vlines(steps + 1, upper, upper + 0.84 * row_height, color=colours, linewidth=stroke, rasterized=True)
    return f"{len(drawn):,} of {total:,}" if len(drawn) < total else f"{total:,} neurons"


def _centre(q: NDArray[np.float64], centred: bool) -> NDArray[np.float64]:
    return q - q.mean(axis=-1, keepdims=True) if centred else q


def _settled_range(q: NDArray[np.float64], target: NDArray[np.float64] | None) -> tuple[float, float]:
    """Leave out the first tenth, whose coarse rates would squeeze the rest into a line."""
    visible = [q[len(q) // 10 :].ravel(), *([] if target is None else [target])]
    low, high = (float(end(np.concatenate(visible))) for end in (np.min, np.max))
    margin = 0.08 * (high - low) or 1.0
    return low - 1.5 * margin, high + margin


def _check_observation(record: Record, observation: int) -> None:
    size = record.q.shape[1]
    if not 0 <= observation < size:
        raise ArgumentError(
            f"Expected an observation from 0 to {size - 1}, which the record holds. Found {observation}."
        )
