"""How many synapses leave each neuron."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dqn2snn._utils.host import on_host
from dqn2snn.plan.graph import AffineLayer
from dqn2snn.plan.ops import Conv, Dense, run


@on_host()
def synapses(affine: AffineLayer) -> Tensor:
    """Number of outputs that each input of an affine layer reaches, in the shape of its input."""
    ones = tuple(
        replace(op, weight=torch.ones(op.weight.shape, dtype=torch.float64))
        if isinstance(op, (Conv, Dense))
        else op
        for op in affine.ops
    )
    with torch.enable_grad():
        x = torch.zeros(1, *affine.in_shape, dtype=torch.float64, requires_grad=True)
        (reached,) = torch.autograd.grad(run(ones, x).sum(), x)
    return reached[0]
