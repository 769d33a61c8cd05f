r"""Put the tables of the kept cells into the README and the pages of docs/benchmark, and draw their pictures.

Each table goes between <!-- name --> and <!-- /name -->; the pages of the agents are written as a whole.

python docs/measure.py table --output docs/results/table --jobs 2
python docs/measure.py table --output docs/results/table/control --episodes 100 --jobs 2 \
    --agents cartpole acrobot lunarlander mountaincar --recipes rate --steps 4 8 12 16 24 32 64 128
python docs/measure.py table --output docs/results/table/control --episodes 100 --jobs 2 \
    --agents cartpole acrobot lunarlander mountaincar --steps 4 \
    --recipes sigma_delta:levels={16:max_spikes=4,32:max_spikes=8,64:max_spikes=16}:threshold=max \
    sigma_delta:levels={96:max_spikes=24,128:max_spikes=32}:threshold=max \
    sigma_delta:levels=24:max_spikes=8{:threshold=auto,:threshold=max,:threshold=max+ridge}
python docs/measure.py table --output docs/results/table/again --episodes 100 --seed 100000 --jobs 2 \
    --agents cartpole acrobot lunarlander mountaincar --recipes rate --steps 4 8 16 32 64
python docs/measure.py table --output docs/results/table/again --episodes 100 --seed 100000 --jobs 2 \
    --agents cartpole acrobot lunarlander mountaincar --steps 4 \
    --recipes sigma_delta:levels={24:max_spikes=8,32:max_spikes=8,64:max_spikes=16,96:max_spikes=24}:threshold=max
python docs/measure.py table --output docs/results/table/atari --agents RoadRunner CrazyClimber --no-play \
    --calibration 8000 --calibration-episodes 24 --recipes rate{,+ftbc+ridge} --steps 16 32 64
python docs/measure.py table --output docs/results/table/atari --agents RoadRunner CrazyClimber --no-play \
    --calibration 8000 --calibration-episodes 24 --recipes burst{,+ftbc+ridge{,_all}} \
    sigma_delta{,:levels=64{,+ridge_all}} --steps 8
python docs/measure.py table --output docs/results/table/atari --agents RoadRunner CrazyClimber --no-play \
    --calibration 8000 --calibration-episodes 24 --recipes tan2021 --steps 500
python docs/measure.py table --output docs/results/table/atari --agents RoadRunner CrazyClimber --no-play \
    --calibration 8000 --calibration-episodes 24 --recipes rate+ftbc+ridge_all --steps 16 32 64
python docs/measure.py table --output docs/results/table/atari --agents RoadRunner CrazyClimber --no-play \
    --calibration 8000 --calibration-episodes 24 --recipes burst+ridge_all \
    sigma_delta:levels={96:max_spikes=12+ridge_all,128:max_spikes=16{,+ridge_all}} --steps 8
python docs/measure.py fill table
"""

from __future__ import annotations

from pathlib import Path

from measuring.places import DOCS, RESULTS, ROOT, filled_pages
from measuring.table.picture import draw_agreement, draw_return
from measuring.table.report import QUANTITIES, markdown, recipes_of
from measuring.table.settings import Settings
from measuring.table.store import Entries, read
from measuring.table.summary import (
    chosen_cells,
    coverage,
    judged,
    kinds,
    reasons,
    shares,
    spikes_of_control,
)

PAGES = DOCS / "benchmark"
ALL = Settings()
MINATAR = tuple(agent for agent in ALL.agents if agent.startswith("minatar-"))
CONTROL = (
    "sigma_delta:levels=16:max_spikes=4:threshold=max",
    "sigma_delta:levels=24:max_spikes=8:threshold=auto",
    "sigma_delta:levels=24:max_spikes=8:threshold=max",
    "sigma_delta:levels=24:max_spikes=8:threshold=max+ridge",
    "sigma_delta:levels=32:max_spikes=8:threshold=max",
    "sigma_delta:levels=64:max_spikes=16:threshold=max",
    "sigma_delta:levels=96:max_spikes=24:threshold=max",
    "sigma_delta:levels=128:max_spikes=32:threshold=max",
)
AGAIN = (CONTROL[2], *CONTROL[4:7])
ATARI = (
    ("tan2021", 500),
    *((f"rate{corrections}", steps) for corrections in ("", "+ftbc+ridge") for steps in (16, 32, 64)),
    *(("rate+ftbc+ridge_all", steps) for steps in (16, 32, 64)),
    *((f"burst{corrections}", 8) for corrections in ("", "+ftbc+ridge", "+ridge_all", "+ftbc+ridge_all")),
    *((f"sigma_delta{more}", 8) for more in ("", ":levels=64", ":levels=64+ridge_all")),
    ("sigma_delta:levels=96:max_spikes=12+ridge_all", 8),
    *((f"sigma_delta:levels=128:max_spikes=16{corrections}", 8) for corrections in ("", "+ridge_all")),
)
FEW = (("tan2021", 500), ("rate", 16), ("rate", 32), ("rate", 64), ("burst", 8), ("sigma_delta", 4))


def kept(name: str) -> Entries:
    """The lines of a file below docs/results/table; none as long as it is not there."""
    path = RESULTS / "table" / name
    return read(path)[1] if path.exists() else {}


def tables(entries: Entries, control: Entries, again: Entries, atari: Entries) -> dict[str, str]:
    """The tables of the first page by the names of their places."""
    recipes = [*ALL.recipes, *(each for each in recipes_of(entries) if each not in ALL.recipes)]
    return {
        "coverage": coverage(entries, ALL),
        "agreement": chosen_cells(entries, "agreement", FEW, ALL.agents),
        "return": chosen_cells(entries, "return", (("dqn", 0), *FEW), ALL.agents),
        "spikes": chosen_cells(entries, "spikes per neuron", FEW, ALL.agents),
        "kinds": kinds(entries, recipes),
        "control": spikes_of_control(control, CONTROL, 4),
        "again": spikes_of_control(again, AGAIN, 4),
        "atari": judged(atari, ATARI, ("RoadRunner", "CrazyClimber")),
        "minatar": shares(entries, recipes, (1, 2, 4, 8, 16), MINATAR),
        "reasons": reasons(entries),
    }


def agent_page(entries: Entries, agent: str) -> str:
    """All quantities of one agent."""
    recipes = [*ALL.recipes, *(each for each in recipes_of(entries) if each not in ALL.recipes)]
    parts = [
        f"# {agent}",
        "Columns are time steps a decision, rows recipes. How it was measured is on [the first page](index.md).",
    ]
    for quantity, (title, _) in QUANTITIES.items():
        parts += [
            f"## {title[0].upper()}{title[1:]}",
            markdown(entries, agent, quantity, ALL.num_steps, recipes).rstrip(),
        ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    entries = kept("table.jsonl")
    content = tables(entries, *(kept(f"{name}/table.jsonl") for name in ("control", "again", "atari")))
    first = PAGES / "index.md"
    readme = ROOT / "README.md"
    few = {"few": chosen_cells(entries, "agreement", FEW[:-1], ALL.agents)}
    agents = {PAGES / f"{agent}.md": agent_page(entries, agent) for agent in ALL.agents}
    return {**filled_pages({first: content, readme: few}), **agents}


def draw() -> None:
    """Draw the pictures of the pages."""
    draw_agreement(kept("table.jsonl"), RESULTS / "table" / "agreement.png")
    draw_return(kept("table.jsonl"), RESULTS / "table" / "return.png")
