"""Small networks of snnTorch neurons, and a loop to run one neuron."""

from __future__ import annotations

import pickle

import torch
from torch import Tensor, nn

from dqn2snn.neurons.snntorch import IF


def run(neuron: IF, currents: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and membranes [T, B, ...] of a neuron with explicit state."""
    mem, records = torch.zeros_like(currents[0]), []
    for current in currents:
        spk, mem = neuron(current, mem)
        records.append((spk, mem))
    spk_rec, mem_rec = zip(*records, strict=True)
    return torch.stack(spk_rec), torch.stack(mem_rec)


def hidden_net(v_init: float = 0.5) -> nn.Sequential:
    """A flat net of two neurons that keep their membranes: with v_init = 0.5 both fire at the first half current."""
    return nn.Sequential(
        IF(v_init=v_init, init_hidden=True), IF(v_init=v_init, init_hidden=True, output=True)
    )


def unpickled(net: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(net))  # type: ignore[no-any-return]
