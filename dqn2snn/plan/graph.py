"""The function that a Q-network computes, with everything foldable folded: affine layers with ReLUs between them.

A `LayerGraph` is the converter's normal form of a network

    a_0 = x,    z_l = W_l a_{l-1} + b_l,    a_l = max(0, z_l),    Q = W_L a_{L-1} + b_L,

where `W_l` is a convolution or a matrix, possibly with poolings, paddings and reshapes around it. Numbers
are float64 on the CPU: folding (batch norm, x/255, dueling heads, ...) then costs no float32 digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dqn2snn.plan.ops import LinearOp, Shape, cast, run, weighted

__all__ = ["AffineLayer", "LayerGraph"]


@dataclass(frozen=True, eq=False)
class AffineLayer:
    """One affine map `z = W x + b` from one layer of neurons to the next.

    Attributes:
        name: Qualified name, in the user's network, of the module that holds the weights.
        ops: The linear part; exactly one operation carries weights.
        bias: `[C]`, one per channel, or of the full `out_shape` where batch norm before a padded
            convolution makes the bias depend on the position.
        in_shape: Shape of one input sample.
        out_shape: Shape of one output sample.
    """

    name: str
    ops: tuple[LinearOp, ...]
    bias: Tensor
    in_shape: Shape
    out_shape: Shape

    def __call__(self, x: Tensor) -> Tensor:
        """`W x + b`, `[B, *in_shape] -> [B, *out_shape]`."""
        return self.linear(x) + per_channel(self.bias, self.out_shape)

    def linear(self, x: Tensor) -> Tensor:
        """`W x`, without the bias."""
        return run(self.ops, x)

    @property
    def weight(self) -> Tensor:
        """Weights of the convolution `[C', C / groups, kh, kw]` or of the matrix `[F', F]`."""
        return weighted(self.ops).weight

    @property
    def neurons(self) -> int:
        """Number of outputs."""
        return math.prod(self.out_shape)

    def with_parameters(self, weight: Tensor, bias: Tensor) -> AffineLayer:
        """Replace the numbers of the map."""
        ops = tuple(replace(op, weight=weight) if op is weighted(self.ops) else op for op in self.ops)
        return replace(self, ops=ops, bias=bias)

    def cast(self, dtype: torch.dtype, device: torch.device | None = None) -> AffineLayer:
        """Convert the map to another dtype, and move it to another device if one is given."""
        return replace(self, ops=cast(self.ops, dtype, device), bias=self.bias.to(device=device, dtype=dtype))


def per_channel(values: Tensor, shape: Shape) -> Tensor:
    """View per-channel values `[C]` so that they broadcast over samples of `shape`; others pass unchanged.

    Example:
        >>> per_channel(torch.zeros(16), (16, 8, 8)).shape
        torch.Size([16, 1, 1])
    """
    if values.ndim == 1 and len(shape) > 1:
        return values.reshape(-1, *(1 for _ in shape[1:]))
    return values


@dataclass(frozen=True, eq=False)
class LayerGraph:
    """A traced Q-network: hidden affine layers, each followed by a ReLU, and an affine head.

    Attributes:
        input_shape: Shape of one observation.
        layers: The hidden layers, in order.
        head: The map from the last hidden layer to the Q-values.
    """

    input_shape: Shape
    layers: tuple[AffineLayer, ...]
    head: AffineLayer

    def __call__(self, observations: Tensor) -> Tensor:
        """Q-values `[B, A]` of observations `[B, *input_shape]`, in the observations' dtype."""
        *_, q_values = self.pre_activations(observations)
        return q_values

    def pre_activations(self, observations: Tensor) -> Iterator[Tensor]:
        """Yield `z_l` of every hidden layer and then the Q-values, each `[B, *out_shape]`."""
        x = observations
        for layer in self.layers:
            z = layer(x)
            yield z
            x = z.relu()
        yield self.head(x)

    @property
    def all_layers(self) -> tuple[AffineLayer, ...]:
        """The hidden layers and the head."""
        return (*self.layers, self.head)

    @property
    def num_actions(self) -> int:
        """Number of Q-values."""
        return self.head.neurons

    def cast(self, dtype: torch.dtype, device: torch.device | None = None) -> LayerGraph:
        """Convert the graph to another dtype, and move it to another device if one is given."""
        return replace(
            self,
            layers=tuple(layer.cast(dtype, device) for layer in self.layers),
            head=self.head.cast(dtype, device),
        )
