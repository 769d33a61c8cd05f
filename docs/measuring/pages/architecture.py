"""Put the rooms of the package into docs/explanation/architecture.md, as a table and as a picture.

Their order is that of `.importlinter`, which holds the imports to it; what a room is for is the first line of its
docstring. Nothing here is measured.

python docs/measure.py fill architecture
"""

from __future__ import annotations

import ast
from configparser import ConfigParser
from pathlib import Path

from dqn2snn._utils.table import as_markdown
from measuring.places import DOCS, RESULTS, ROOT, filled_pages

PAGE = DOCS / "explanation" / "architecture.md"
PICTURE = RESULTS / "rooms.svg"

STEPS = {
    "tracing": "module, file, object → LayerGraph, ActivationStats",
    "recipes": "Recipe(LayerGraph, ActivationStats) → SpikingPlan",
    "plan": "SpikingPlan",
    "neurons": "SpikingPlan → snnTorch, Norse modules",
    "engine": "SpikingPlan, observations → Record",
    "network": "SpikingQNetwork: plan, modules, engines",
}
"""Where the data is on its way, by room."""


def floors() -> list[list[str]]:
    """The rooms from the highest down; those of one floor do not know each other."""
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    lines = contracts["importlinter:contract:layers"]["layers"].split("\n")
    return [[room.strip() for room in line.split("|")] for line in lines if line.strip()]


def purpose(room: str) -> str:
    """The first line of a room's docstring."""
    path = ROOT / "dqn2snn" / room / "__init__.py"
    path = path if path.exists() else ROOT / "dqn2snn" / f"{room}.py"
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0].strip()


def tables() -> dict[str, str]:
    """The table of the rooms by the name of its place."""
    rows = [[f"`{room}`", purpose(room)] for floor in floors() for room in floor]
    return {"rooms": as_markdown(["room", "what lives there"], rows, left=2)}


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: tables()})


def draw() -> None:
    """Draw the rooms, one floor above the other."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    rooms = floors()
    with mpl.rc_context({"svg.hashsalt": "rooms", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8.5, 0.52 * len(rooms) + 0.3))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, 10), ylim=(-0.6, len(rooms)))
        for height, floor in enumerate(reversed(rooms)):
            for place, room in enumerate(floor):
                width = 3.4 / len(floor)
                left = 0.7 + place * width
                on_the_way = room in STEPS
                box = FancyBboxPatch(
                    (left, height + 0.12),
                    width - 0.12,
                    0.72,
                    boxstyle="round,pad=0,rounding_size=0.08",
                    facecolor="#56b4e9" if on_the_way else "#e6e6e6",
                    edgecolor="#333333",
                )
                axes.add_patch(box)
                axes.text(
                    left + (width - 0.12) / 2,
                    height + 0.48,
                    room,
                    ha="center",
                    va="center",
                    family="monospace",
                )
            notes = [STEPS[room] for room in floor if room in STEPS]
            axes.text(4.2, height + 0.48, "; ".join(notes), va="center", fontsize=9)
        axes.annotate(
            "", (0.35, 0.1), (0.35, len(rooms) - 0.1), arrowprops={"arrowstyle": "->", "color": "#333333"}
        )
        axes.text(0.15, len(rooms) / 2, "imports", rotation=90, va="center", ha="center")
        axes.text(0.7, -0.35, "blue: the way of the data, from a module to Q-values", fontsize=9, va="center")
        figure.savefig(PICTURE, metadata={"Date": None})
