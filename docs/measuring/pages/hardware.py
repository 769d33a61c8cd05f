"""Put measured agreement of few-bit plans into docs/howto/hardware.md, between <!-- ... --> and <!-- /... -->.

python docs/measure.py quantization --output docs/results/quantization.json
python docs/measure.py fill hardware
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dqn2snn._utils.table import as_markdown
from dqn2snn.analysis.hardware import DEVICES, ENERGY_MODELS
from measuring.places import DOCS, RESULTS, filled_pages

PAGE = DOCS / "howto" / "hardware.md"


def tables() -> dict[str, str]:
    """Tables of Markdown by the name of their place."""
    result = json.loads((RESULTS / "quantization.json").read_text(encoding="utf-8"))
    return {
        "agreement": _agreement(result),
        "needs": _needs(result["agents"]),
        "energy": _energy(result["agents"]),
        "devices": _devices(),
        "models": _models(),
    }


def _agreement(result: dict[str, Any]) -> str:
    first = result["agents"][0]["quantised"]
    header = ["agent", "as converted", *(f"{each['bits']} bits, {each['per']}" for each in first)]
    rows = [
        [
            agent["agent"],
            _interval(agent["agreement"]),
            *(
                f"{100 * each['nearest']['mean']:.1f} → **{_interval(each['calibrated'])}**"
                for each in agent["quantised"]
            ),
        ]
        for agent in result["agents"]
    ]
    return (
        f"{as_markdown(header, rows)}\nAgreement with the DQN in per cent after {result['steps']} steps, on "
        f"{result['observations']:,} states of games that calibration did not see, with 95 % intervals over games; "
        "rounded to the nearest → calibrated."
    )


def _interval(found: dict[str, float]) -> str:
    return f"{100 * found['mean']:.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def _needs(agents: list[dict[str, Any]]) -> str:
    header = [
        "agent",
        "neurons",
        "synapses",
        "weights",
        "membrane",
        *(each.name for each in DEVICES.values()),
    ]
    rows = [
        [
            agent["agent"],
            f"{agent['neurons']:,}",
            f"{agent['synapses']:,}",
            f"{agent['weight_bytes'] / 1024:,.1f} KiB",
            f"{agent['membrane_bits']} bits",
            *(_placed(agent["devices"][key]) for key in DEVICES),
        ]
        for agent in agents
    ]
    return as_markdown(header, rows)


def _placed(found: dict[str, Any]) -> str:
    return "; ".join(found["obstacles"]) or ("1 core" if found["cores"] == 1 else f"{found['cores']} cores")


def _energy(agents: list[dict[str, Any]]) -> str:
    header = [
        "agent",
        "synaptic operations",
        "DQN's MACs",
        *(f"{each.name}, uJ" for each in ENERGY_MODELS.values()),
    ]
    rows = [
        [
            agent["agent"],
            f"{agent['synaptic_operations']:,.0f}",
            f"{agent['dqn_macs']:,}",
            *(f"{1e6 * agent['joules'][key]:.3g}" for key in ENERGY_MODELS),
        ]
        for agent in agents
    ]
    return as_markdown(header, rows)


def _devices() -> str:
    header = ["name", "chip", "weights", "cores", "neurons a core", "source", "note"]
    rows = [
        [
            f"`{key}`",
            each.name,
            f"{each.weight_bits} bits",
            str(each.cores),
            _range(each.neurons_per_core),
            each.source,
            each.note,
        ]
        for key, each in DEVICES.items()
    ]
    return as_markdown(header, rows, left=2)


def _range(numbers: tuple[int, ...]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _models() -> str:
    header = ["name", "synaptic operation", "neuron update", "MAC", "source", "what it leaves out"]
    rows = [
        [
            f"`{key}`",
            *(f"{pj:g} pJ" for pj in (each.synaptic_operation, each.neuron_update, each.mac)),
            each.source,
            each.limits,
        ]
        for key, each in ENERGY_MODELS.items()
    ]
    return as_markdown(header, rows)


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    return filled_pages({PAGE: tables()})
