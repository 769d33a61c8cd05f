"""Placement of a plan on the cores of a chip."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dqn2snn._utils.nearest import unknown_name
from dqn2snn.analysis.hardware.devices import DEVICES, Device
from dqn2snn.analysis.hardware.footprint import Footprint, LayerFootprint, footprint
from dqn2snn.plan import PlanOrNetwork, SpikingPlan, plan_of

__all__ = ["place"]


@dataclass(frozen=True)
class Placement:
    """How a plan goes on a chip.

    Attributes:
        device: The chip.
        cores: That each layer takes, in the order of the layers; 0 for one that no core holds. Where a chip has one
            core only, layers share it.
        obstacles: Reasons why the chip cannot hold the plan, in words; empty if it can.
    """

    device: Device
    cores: tuple[int, ...]
    obstacles: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing keeps the plan from the chip."""
        return not self.obstacles


def place(plan: PlanOrNetwork, device: str | Device) -> Placement:
    """Count the cores of a chip that each layer needs, and name what does not fit.

    A layer that is spread over cores takes as many as its neurons need, or the weights that are stored for them,
    whichever is more. It is a lower bound: how evenly synapses divide, and what routing costs, is the mapper's.

    Args:
        plan: A plan on a grid, best quantized to the chip's bits; or its network.
        device: A name out of `DEVICES`, or a description of one's own.

    Returns:
        Placement: Cores and obstacles.

    Raises:
        ArgumentError: If there is no device of that name.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> plan = dqn2snn.convert(net, torch.rand(64, 4), num_steps=16).plan
        >>> place(plan, "loihi").obstacles[:1]
        ('layer 0 has weights of 16 bits; Loihi has 9: quantize(plan, bits=9)',)
        >>> from dqn2snn.analysis.hardware import quantize
        >>> place(quantize(plan, bits=9), "loihi").cores
        (1, 1)
    """
    plan = plan_of(plan)
    chip = _device(device)
    needs = footprint(plan)
    cores = _one_each(needs, chip) if chip.layer_on_one_core else _spread(needs, chip)
    return Placement(chip, cores, tuple(_obstacles(plan, needs, chip, cores)))


def _device(device: str | Device) -> Device:
    if isinstance(device, Device):
        return device
    if device not in DEVICES:
        raise unknown_name("a device", device, DEVICES)
    return DEVICES[device]


def _spread(needs: Footprint, chip: Device) -> tuple[int, ...]:
    neurons = max(chip.neurons_per_core)
    cores = []
    for layer in needs.layers:
        stored = layer.weights if chip.shares_kernels else layer.synapses
        by_weights = 1 if chip.weights_per_core is None else math.ceil(stored / max(chip.weights_per_core))
        cores.append(max(math.ceil(layer.neurons / neurons), by_weights))
    return tuple(cores)


def _one_each(needs: Footprint, chip: Device) -> tuple[int, ...]:
    """One core for each layer, the largest layers first, each on the smallest core that holds it."""
    free = sorted(zip(chip.weights_per_core or (), chip.neurons_per_core, strict=True))
    taken = dict.fromkeys(needs.layers, 0)
    for layer in sorted(needs.layers, key=_stored, reverse=True):
        for core in free:
            if _stored(layer) <= core[0] and layer.neurons <= core[1]:
                free.remove(core)
                taken[layer] = 1
                break
    return tuple(taken[layer] for layer in needs.layers)


def _stored(layer: LayerFootprint) -> int:
    """Entries of kernel memory: Speck addresses the channels and the positions of a kernel by whole bits."""
    if layer.kernel is None:
        return layer.weights
    channels, positions = layer.kernel
    padded = 1 << ((channels - 1).bit_length() + (positions - 1).bit_length())
    return layer.weights // (channels * positions) * padded


def _obstacles(plan: SpikingPlan, needs: Footprint, chip: Device, cores: tuple[int, ...]) -> list[str]:
    found = []
    for layer, taken in zip(needs.layers, cores, strict=True):
        if layer.weight_bits is None:
            found.append(f"layer {layer.name} is in raw numbers: convert with a grid")
        elif layer.weight_bits > chip.weight_bits:
            found.append(
                f"layer {layer.name} has weights of {layer.weight_bits} bits; {chip.name} has {chip.weight_bits}: "
                f"quantize(plan, bits={chip.weight_bits})"
            )
        if not taken:
            found.append(f"no free core of {chip.name} holds layer {layer.name}")
    if not chip.programmable and any(layer.beta > 1 for layer in plan.layers):
        found.append(f"membranes grow; the neurons of {chip.name} integrate or leak: convert with rate_if")
    if chip.cores > 1 and sum(cores) > chip.cores:
        found.append(f"{sum(cores)} cores are needed; {chip.name} has {chip.cores}")
    hidden = needs.neurons - needs.layers[-1].neurons
    if chip.cores == 1 and hidden > max(chip.neurons_per_core):
        found.append(f"{hidden:,} hidden neurons; {chip.name} has {max(chip.neurons_per_core):,}")
    inputs = math.prod(plan.input_shape)
    for what, wanted, limit in (("inputs", inputs, chip.inputs), ("outputs", plan.num_actions, chip.outputs)):
        if limit is not None and wanted > limit:
            found.append(f"{wanted} {what}; {chip.name} has {limit}")
    return found
