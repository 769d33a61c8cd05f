"""Networks put together at random from all that is supported fold exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.tracing.folding import Function, assert_folds, randomised


@dataclass
class Draft:
    """A network while it is put together."""

    modules: list[nn.Module]
    shape: tuple[int, ...]
    neurons: list[int]

    def add(self, *modules: nn.Module) -> None:
        """Append modules, following the shape and the ReLUs."""
        for module in modules:
            with torch.no_grad():
                self.shape = tuple(module.eval()(torch.zeros(2, *self.shape)).shape[1:])
            if isinstance(module, nn.ReLU):
                self.neurons.append(torch.Size(self.shape).numel())
            self.modules.append(module)


def silent(width: int | None, image: bool) -> st.SearchStrategy[list[nn.Module]]:
    """Modules between the layers that must leave no neurons of their own."""
    norm = (nn.BatchNorm2d if image else nn.BatchNorm1d)(width) if width else nn.Identity()
    constants = [
        Function(lambda s, x: x / 255),
        Function(lambda s, x: 2 * x - 1),
        Function(lambda s, x: 0.5 - x),
        Function(lambda s, x: x.mul(-3).div_(4)),
    ]
    return st.lists(
        st.sampled_from([norm, nn.Dropout(), nn.Identity(), nn.Sequential(nn.Identity()), *constants]),
        max_size=2,
        unique_by=id,
    )


@st.composite
def image_part(draw: st.DrawFn, draft: Draft) -> None:
    """A block of a convolution, perhaps with a padding and a pooling."""
    channels, height, width = draft.shape
    draft.add(*draw(silent(channels, image=True)))
    if draw(st.booleans()):
        draft.add(nn.ZeroPad2d(draw(st.tuples(*[st.integers(0, 2)] * 4))))
    kernel = draw(st.tuples(st.integers(1, min(3, height)), st.integers(1, min(3, width))))
    groups = draw(st.sampled_from([1, channels]))
    draft.add(
        nn.Conv2d(
            channels,
            groups * draw(st.integers(1, 3)),
            kernel,
            stride=draw(st.integers(1, 2)),
            padding=draw(st.integers(0, 2)),
            groups=groups,
            bias=draw(st.booleans()),
        )
    )
    draft.add(*draw(silent(draft.shape[0], image=True)))
    pool = nn.AvgPool2d(
        draw(st.integers(1, min(2, *draft.shape[1:]))),
        stride=draw(st.integers(1, 2)),
        count_include_pad=draw(st.booleans()),
        ceil_mode=draw(st.booleans()),
    )
    draft.add(*draw(st.permutations([nn.ReLU(), *([pool] if draw(st.booleans()) else [])])))


@st.composite
def networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...], list[int]]:
    """A network, the shape of its observations and the neurons of its layers."""
    shape = draw(
        st.one_of(
            st.tuples(st.integers(1, 9)), st.tuples(st.integers(1, 3), st.integers(3, 7), st.integers(3, 7))
        )
    )
    draft = Draft([], shape, [])
    if len(shape) == 3:
        for _ in range(draw(st.integers(1, 2))):
            draw(image_part(draft))
        draft.add(nn.Flatten())
    for _ in range(draw(st.integers(0 if draft.neurons else 1, 2))):
        draft.add(*draw(silent(draft.shape[0], image=False)))
        draft.add(nn.Linear(draft.shape[0], draw(st.integers(1, 9)), bias=draw(st.booleans())))
        draft.add(*draw(silent(draft.shape[0], image=False)), nn.ReLU())
    draft.add(*draw(silent(draft.shape[0], image=False)))
    head, neurons = draw(heads(draft.shape[0]))
    return nn.Sequential(*draft.modules, head), shape, draft.neurons + neurons


@st.composite
def heads(draw: st.DrawFn, features: int) -> tuple[nn.Module, list[int]]:
    """A plain, dueling, quantile or dueling quantile head and the neurons of its layers."""
    actions, quantiles = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    widths = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=2))
    dueling = draw(st.booleans())
    wide = [features, *(a + dueling * v for a, v in widths)]

    def forward(s: Any, x: Tensor) -> Tensor:
        z = s.advantage(x).view(-1, actions, quantiles)
        if dueling:
            z = s.value(x).view(-1, 1, quantiles) + z - z.mean(1, keepdim=True)
        return z.mean(2)

    advantage = stream(features, *(a for a, _ in widths), actions * quantiles)
    value = stream(features, *(v for _, v in widths), quantiles) if dueling else nn.Identity()
    return Function(forward, advantage=advantage, value=value), [*wide[1:], actions]


def stream(*widths: int) -> nn.Sequential:
    """Linear layers with ReLUs between them, as methods."""
    *hidden, last = [nn.Linear(a, b) for a, b in pairwise(widths)]
    return nn.Sequential(*(Function(lambda s, x: F.relu(s.fc(x)), fc=layer) for layer in hidden), last)


@given(networks(), st.integers(0, 2**16))
@settings(max_examples=80)
def test_a_random_network_folds_exactly(
    made: tuple[nn.Module, tuple[int, ...], list[int]], seed: int
) -> None:
    network, shape, neurons = made
    assert_folds(randomised(network, seed), shape, neurons)
