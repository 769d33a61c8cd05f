"""The answer of a command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """The outcome of a command, for machines and for people.

    Attributes:
        data: Plain finite data, printed with `--json`.
        text: Printed without.
    """

    data: Mapping[str, Any]
    text: str

    def to_json(self) -> str:
        """The data as JSON."""
        return json.dumps(self.data, indent=2, allow_nan=False)
