"""How the neurons of a network fire, in words: a table of the layers with rates."""

from __future__ import annotations

from torch import Tensor

from dqn2snn._utils.table import format_table
from dqn2snn.dynamics.record import Record
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.summary import COLUMNS, headline, layer_rows


def firing_summary(plan: SpikingPlan, record: Record) -> str:
    """The summary of a plan, and for each layer how its neurons fired.

    Args:
        plan: The spiking network.
        record: A simulation of it.

    Returns:
        str: With mean rate in spikes per step, share of neurons that never fire and share that always fire as much as
        they can.
    """
    rows = [
        [
            *row,
            f"{float(sent.mean()) / record.num_steps:.3f}",
            *_extremes(sent, record.num_steps * layer.max_spikes),
        ]
        for row, layer, sent in zip(layer_rows(plan), plan.all_layers, record.sent, strict=True)
    ]
    return f"{headline(plan)}\n{format_table([*COLUMNS, 'rate', 'silent %', 'saturated %'], rows)}"


def _extremes(sent: Tensor, most: int) -> tuple[str, str]:
    silent = (sent == 0).all(dim=0).float().mean()
    saturated = (sent == most).all(dim=0).float().mean()
    return f"{100 * float(silent):.1f}", f"{100 * float(saturated):.1f}"
