"""The picture: CPU time of a decision in forward passes of the DQN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.extras import require
from measuring.speed.ratios import incorrect, seconds_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

# A hue for each library, a shade for each of its contestants; Okabe and Ito's hues.
_SHADES = {
    "dqn2snn": ("#0072B2", "#56B4E9"),
    "snntorch": ("#A66F00", "#E69F00", "#F5CE7A"),
    "norse": ("#006B4F", "#5FC4A4"),
    "spikingjelly": ("#8F4A75", "#CC79A7"),
    "sinabs": ("#D55E00",),
    "bindsnet": ("#555555",),
}
_OTHER = ("#999999",)
_WIDTH = 0.86


def draw(results: Mapping[str, Any], path: Path, threads: int = 1) -> None:
    """Draw bars on a logarithmic scale: a row for each network, a column for each batch size, a group for each T.

    Bars of those whose spikes are not the reference's are hatched.

    Args:
        results: The content of the JSON file.
        path: Where to save.
        threads: Threads of torch.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    chosen = [cell for cell in results["cells"] if cell["threads"] == threads]
    networks = list(dict.fromkeys(cell["network"] for cell in chosen))
    batches = list(dict.fromkeys(cell["batch"] for cell in chosen))
    figure = require("matplotlib.figure", extra="plot").Figure(
        figsize=(4.2 * len(batches), 2.5 * len(networks) + 0.8), dpi=130, layout="constrained"
    )
    panels = figure.subplots(len(networks), len(batches), squeeze=False, sharey="row")
    colours = _colours(results)
    for row, network in zip(panels, networks, strict=True):
        for panel, batch in zip(row, batches, strict=True):
            cells = [cell for cell in chosen if (cell["network"], cell["batch"]) == (network, batch)]
            _draw_panel(panel, cells, colours, set(incorrect(results, network)))
            panel.set_title(f"{network}, batch of {batch}", fontsize="medium")
        row[0].set_ylabel("CPU time / DQN pass")
    handles, labels = _legend(panels)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2 * len(batches), frameon=False, fontsize="small"
    )
    figure.savefig(path)


def _colours(results: Mapping[str, Any]) -> dict[str, str]:
    colours: dict[str, str] = {}
    seen: dict[str, int] = {}
    for name, entry in results["contestants"].items():
        if entry["kind"] != "dqn":
            shades = _SHADES.get(entry["package"], _OTHER)
            number = seen.get(entry["package"], 0)
            seen[entry["package"]] = number + 1
            colours[name] = shades[number % len(shades)]
    return colours


def _draw_panel(
    panel: Axes, cells: list[Mapping[str, Any]], colours: Mapping[str, str], wrong: set[str]
) -> None:
    names = [name for name in colours if any(name in seconds_of(cell) for cell in cells)]
    width = _WIDTH / max(1, len(names))
    for group, cell in enumerate(cells):
        seconds = seconds_of(cell)
        unit = min(value for name, value in seconds.items() if name.startswith("dqn"))
        for place, name in enumerate(names):
            if name in seconds:
                panel.bar(
                    group - _WIDTH / 2 + (place + 0.5) * width,
                    seconds[name] / unit,
                    width,
                    color=colours[name],
                    hatch="//////" if name in wrong else None,
                    edgecolor="white" if name in wrong else None,
                    linewidth=0,
                    label=f"{name} (other spikes)" if name in wrong else name,
                )
    panel.set_yscale("log")
    panel.axhline(1, color="#222222", linewidth=1)
    panel.set_xticks(range(len(cells)), [f"T = {cell['num_steps']}" for cell in cells])
    panel.spines[["top", "right"]].set_visible(False)


def _legend(panels: Any) -> tuple[list[Any], list[str]]:
    found: dict[str, Any] = {}
    for panel in panels.flat:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
