"""Symbolic values of the tracer: an affine chain from a source.

Every tensor between two ReLUs is an affine function of one *source*: the network's input or the output of
a ReLU. A `Value` keeps that function as a chain of steps; dueling streams, which start from different
ReLUs, are brought back to one source by putting the ReLUs side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from dqn2snn.errors import UnsupportedModuleError
from dqn2snn.plan.ops import LinearOp, Pad, Reshape, Shape, SumPool


@dataclass(frozen=True, eq=False)
class Scale:
    """Element-wise product with constants that broadcast over one sample."""

    factor: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.factor


@dataclass(frozen=True, eq=False)
class Shift:
    """Element-wise sum with constants that broadcast over one sample."""

    offset: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x + self.offset


@dataclass(frozen=True, eq=False)
class Affine:
    """Any other affine function of a batch that treats its samples one by one."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)


Step = LinearOp | Scale | Shift | Affine


@dataclass(frozen=True, eq=False)
class Source:
    """The network's input (`before` is None) or the output of a ReLU on `before`."""

    shape: Shape
    before: Value | None = None
    members: dict[Source, int] = field(default_factory=dict)
    """For ReLUs that were put side by side: where each of them starts."""


@dataclass(frozen=True, eq=False)
class Value:
    """An affine function of a source.

    Attributes:
        source: Start of the chain.
        steps: The chain.
        shape: Shape of one sample at its end.
        name: Qualified name of the last module with weights in the chain.
    """

    source: Source
    steps: tuple[Step, ...]
    shape: Shape
    name: str = ""

    def then(self, *steps: Step, shape: Shape | None = None, name: str | None = None) -> Value:
        """The value after further steps."""
        return Value(
            self.source,
            self.steps + steps,
            self.shape if shape is None else shape,
            self.name if name is None else name,
        )

    @cached_property
    def rectified(self) -> Value:
        """The ReLU of the value: one, however often it is taken, so that no neuron appears twice."""
        if self.source.before is not None and all(_keeps_sign(step) for step in self.steps):
            return self
        return Value(Source(self.shape, before=self), (), self.shape, self.name)


def _keeps_sign(step: Step) -> bool:
    """Whether a step maps non-negative values to non-negative ones."""
    return isinstance(step, (Reshape, Pad, SumPool)) or (
        isinstance(step, Scale) and bool((step.factor >= 0).all())
    )


def apply(steps: tuple[Step, ...], x: Tensor) -> Tensor:
    """Run a chain on a batch."""
    for step in steps:
        x = step(x)
    return x


def combine(a: Value, b: Value, function: Callable[[Tensor, Tensor], Tensor], shape: Shape) -> Value:
    """The value `function(a, b)` for a function that is affine in both (a sum, a difference)."""
    a, b = _unify(a, b)
    chain_a, chain_b = a.steps, b.steps
    both = Affine(lambda x: function(apply(chain_a, x), apply(chain_b, x)))
    return Value(a.source, (both,), shape, a.name or b.name)


def _unify(a: Value, b: Value) -> tuple[Value, Value]:
    """Express two values over one source."""
    source = _join(a.source, b.source)
    return _onto(source, a), _onto(source, b)


def _join(a: Source, b: Source) -> Source:
    """A source that holds both."""
    if a is b or b in a.members:
        return a
    if a in b.members:
        return b
    if a.before is None or b.before is None or _depth(a) != _depth(b):
        raise UnsupportedModuleError(
            "Expected the terms of a sum to lie behind the same number of ReLUs, as in a dueling head. Found a "
            "skip connection over a ReLU. Train the network without it, or convert the part before it."
        )
    before_a, before_b = _unify(a.before, b.before)
    chain_a, chain_b = before_a.steps, before_b.steps
    size_a, size_b = math.prod(a.shape), math.prod(b.shape)
    side_by_side = Affine(
        lambda x: torch.cat([apply(chain_a, x).flatten(1), apply(chain_b, x).flatten(1)], dim=1)
    )
    name = f"{a.before.name} | {b.before.name}"
    before = Value(before_a.source, (side_by_side,), (size_a + size_b,), name)
    members = {**_members(a, 0), **_members(b, size_a)}
    return Source(before.shape, before, members)


def _members(source: Source, start: int) -> dict[Source, int]:
    parts = {member: start + offset for member, offset in source.members.items()}
    return {source: start, **parts}


def _onto(source: Source, value: Value) -> Value:
    """Express a value as a function of a source that holds its own."""
    if source is value.source:
        return value
    start = source.members[value.source]
    stop = start + math.prod(value.source.shape)
    pick = Affine(lambda x: x[:, start:stop])
    return Value(source, (pick, Reshape(value.source.shape), *value.steps), value.shape, value.name)


def _depth(source: Source) -> int:
    return 0 if source.before is None else 1 + _depth(source.before.source)
