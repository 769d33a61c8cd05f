"""The compiled extension, cpp/module.cpp; cpp/simulate.hpp says what the numbers mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

version: str

def instruction_set() -> str: ...

class Layer:
    def __init__(
        self,
        *,
        in_pixels: int,
        in_channels: int,
        pixels: int,
        channels: int,
        fields: NDArray[np.uint32],
        runs: NDArray[np.uint32],
        repeats_rows: bool,
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
        threshold: NDArray[np.float64],
        v_init: NDArray[np.float64],
        step_bias: NDArray[np.float64],
        hard_reset: bool,
        step: float,
        max_spikes: int,
        max_count: int,
        is_signed: bool,
        beta: float,
        reach: float,
        delay: int,
        duration: int,
    ) -> None: ...

class Network:
    def __init__(
        self,
        *,
        on_grid: bool,
        input_step: float,
        weight_step: float,
        layers: Sequence[Layer],
        output_distance: NDArray[np.float64],
        readout_scale: float,
        most_spikes: int,
        delta: bool,
        warmup_steps: int,
        onset: bool,
        carry: float,
    ) -> None: ...
    def run(
        self,
        input: NDArray[Any],  # noqa: A002 (the name in the binary)
        *,
        currents: bool = False,
        steps: int,
        threads: int = 1,
        every: int = 0,
        margin: float = 0.0,
        q: NDArray[np.float32] | None = None,
        q_spike: NDArray[np.float32] | None = None,
        counts: Sequence[NDArray[np.float32] | None] | None = None,
        sent: Sequence[NDArray[np.float32] | None] | None = None,
        spikes: Sequence[NDArray[np.int8] | None] | None = None,
        used: NDArray[np.int64] | None = None,
    ) -> None: ...

class Stream:
    def __init__(self, network: Network) -> None: ...
    def advance(
        self,
        input: NDArray[Any],  # noqa: A002 (the name in the binary)
        *,
        currents: bool,
        rows: NDArray[np.int64],
        first: NDArray[np.bool_],
        steps: int,
        threads: int = 1,
        q: NDArray[np.float32] | None = None,
        q_spike: NDArray[np.float32] | None = None,
        counts: Sequence[NDArray[np.float32] | None] | None = None,
        sent: Sequence[NDArray[np.float32] | None] | None = None,
        spikes: Sequence[NDArray[np.int8] | None] | None = None,
    ) -> None: ...
