"""Measures what the documentation tells, and fills the pages with what is kept of it.

python docs/measure.py NAME ...        makes a measurement; NAME --help says what it takes
python docs/measure.py fill [NAME ...] puts the kept results into the pages that show them
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from dqn2snn.errors import ArgumentError, Dqn2SnnError
from measuring.pages import NAMES, fill

__all__ = ["MEASUREMENTS", "main"]

MEASUREMENTS = {
    "anytime": "measuring.anytime",
    "checkpoints": "measuring.checkpoints",
    "codes": "measuring.codes",
    "crossover": "measuring.speed.crossover",
    "finetuning": "measuring.finetuning",
    "grid": "measuring.grid",
    "minatar": "measuring.minatar",
    "nir": "measuring.nir",
    "play_atari": "measuring.play_atari",
    "prediction": "measuring.prediction",
    "quantization": "measuring.quantization",
    "random_atari": "measuring.random_atari",
    "speed": "measuring.speed.command",
    "streaming": "measuring.speed.streaming",
    "table": "measuring.table.command",
}
"""The module of each measurement; its `main` takes the arguments behind the name."""

BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or fill pages.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        int: The exit status: 0; 1 if something broke in a part, which is then missing; 2 for input that is refused;
        130 after Ctrl-C.
    """
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        if name in ("-h", "--help"):
            sys.stdout.write(
                f"{__doc__}\nMeasurements: {', '.join(MEASUREMENTS)}.\nPages: {', '.join(NAMES)}.\n"
            )
            return 0
        if name == "fill":
            for page in rest or NAMES:
                fill(_known(page, NAMES))
            return 0
        module = importlib.import_module(MEASUREMENTS[_known(name, (*MEASUREMENTS, "fill"))])
        return int(module.main(rest) or 0)
    except Dqn2SnnError as error:
        sys.stderr.write(f"measure.py {name}: error: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write(f"measure.py {name}: interrupted; what was finished is kept\n")
        return INTERRUPTED


def _known(name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise ArgumentError(f"Expected one of {', '.join(names)}. Found {name!r}. Name one of these.")
    return name


if __name__ == "__main__":
    sys.exit(main())
