"""Limits of some neuromorphic chips, as their makers publish them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["DEVICES", "Device"]


@dataclass(frozen=True)
class Device:
    """The limits of a chip, None where there is none or none is published.

    Attributes:
        name: Its usual name.
        weight_bits: Bits of a weight, its sign included.
        state_bits: Bits of a membrane, its sign included.
        cores: Cores of one chip.
        neurons_per_core: Neurons of each core; several numbers where cores differ.
        weights_per_core: Weights of `weight_bits` bits of each core; several numbers where cores differ.
        shares_kernels: Whether a convolution's kernel is stored once, and not once for each position.
        layer_on_one_core: Whether a layer has to fit one core.
        programmable: Whether its neurons are programs, which may let a membrane grow.
        inputs: Input channels.
        outputs: Output neurons.
        source: Where the numbers are from.
        note: A limit for converted DQNs that the numbers do not show.
    """

    name: str
    weight_bits: int
    state_bits: int
    cores: int
    neurons_per_core: tuple[int, ...]
    weights_per_core: tuple[int, ...] | None
    shares_kernels: bool = False
    layer_on_one_core: bool = False
    programmable: bool = False
    inputs: int | None = None
    outputs: int | None = None
    source: str = ""
    note: str = ""


_K = 1024

DEVICES: Final = MappingProxyType(
    {
        "loihi": Device(
            name="Loihi",
            weight_bits=9,
            state_bits=24,
            cores=128,
            neurons_per_core=(_K,),
            weights_per_core=(128 * _K * 8 // 9,),
            source="Davies et al., IEEE Micro 38(1), 2018: 1,024 compartments and 128 KB of synapses a core",
            note="Weights of 1 to 9 bits share an exponent. The first layer's constant current is a bias.",
        ),
        "loihi2": Device(
            name="Loihi 2",
            weight_bits=8,
            state_bits=24,
            cores=120,
            neurons_per_core=(8 * _K,),
            weights_per_core=(192 * _K,),
            programmable=True,
            source="Intel, Taking Neuromorphic Computing to the Next Level with Loihi 2, technology brief, 2021",
            note="Its 192 KB a core hold neurons and programs as well as weights. Spikes may carry a number.",
        ),
        "speck": Device(
            name="Speck",
            weight_bits=8,
            state_bits=16,
            cores=9,
            neurons_per_core=tuple(n * _K for n in (64, 64, 64, 32, 32, 16, 16, 16, 16)),
            weights_per_core=tuple(n * _K for n in (16, 16, 16, 32, 32, 64, 64, 16, 16)),
            shares_kernels=True,
            layer_on_one_core=True,
            source="Sinabs 3.1.3, backend.dynapcnn.chips and its page on chip resources",
            note="It has no clock and takes events only: observations have to be made into spikes.",
        ),
        "xylo": Device(
            name="Xylo Audio 2",
            weight_bits=8,
            state_bits=16,
            cores=1,
            neurons_per_core=(1_000,),
            weights_per_core=None,
            inputs=16,
            outputs=8,
            source="Rockpool 3.1.0, devices.xylo.syns61201",
            note="Its neurons leak, and its inputs are events: thresholds have to be calibrated anew there.",
        ),
    }
)
"""The chips by name."""
