"""Order statistics of a stream equal those of the sorted whole, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from torch import Tensor

from dqn2snn.tracing.calibration._select import PASSES, begin, finish, narrow, observe

ANY = st.floats(width=32, allow_nan=False, allow_infinity=False)
EXTREMES = st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 1.17e-38, -1e-40, 1.0, -1.0, 3.4e38, -3.4e38])
TIED = st.sampled_from([0.0, 1.0, -1.0, float(np.nextafter(np.float32(1), np.float32(2)))])


@st.composite
def streams(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int64], list[int]]:
    """Values of some groups, the wanted ranks of each, and where to cut the stream into batches."""
    groups, count = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    elements = draw(st.sampled_from([ANY, EXTREMES, TIED, st.one_of(ANY, EXTREMES)]))
    values = draw(hnp.arrays(np.float32, (groups, count), elements=elements))
    wanted = draw(st.integers(1, 6))
    ranks = draw(hnp.arrays(np.int64, (groups, wanted), elements=st.integers(0, count - 1)))
    cuts = draw(st.lists(st.integers(0, count), max_size=4).map(sorted))
    return values, ranks, cuts


def selected(batches: list[Tensor], ranks: Tensor) -> Tensor:
    """Run the passes over the stream."""
    selection = begin(ranks)
    for _ in range(PASSES):
        for batch in batches:
            observe(selection, batch)
        selection = narrow(selection)
    return finish(selection)


@given(streams())
def test_selection_is_sorting(stream: tuple[NDArray[np.float32], NDArray[np.int64], list[int]]) -> None:
    values, ranks, cuts = stream
    batches = [torch.from_numpy(part.copy()) for part in np.split(values, cuts, axis=1)]
    found = selected(batches, torch.from_numpy(ranks)).numpy()
    expected = np.take_along_axis(np.sort(values + np.float32(0), axis=1), ranks, axis=1)
    assert found.tobytes() == expected.tobytes()  # every bit, but -0.0 counts as 0.0


def test_every_float_has_a_key_of_its_own_in_the_right_order() -> None:
    """All exponents and signs, with the ends of every interval that a pass cuts."""
    magnitudes = torch.arange(0, 0x7F800000, 0x3FF, dtype=torch.int32).view(torch.float32)
    values = torch.cat([-magnitudes.flip(0), magnitudes[1:]])
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(0))
    ranks = torch.arange(0, len(values), 100_003)[None]
    found = selected([values[order][None]], ranks)
    assert torch.equal(found[0], values[ranks[0]])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_ends_of_short_streams(count: int) -> None:
    values = torch.tensor([[-2.0, 7.0, 0.5][:count]])
    ranks = torch.arange(count)[None]
    assert torch.equal(selected([values], ranks), values.sort().values)


def test_memory_is_that_of_the_histograms() -> None:
    selection = begin(torch.zeros(64, 4, dtype=torch.int64))
    for _ in range(PASSES):
        assert selection.histogram.numel() <= 64 * 4 * 2048
        observe(selection, torch.randn(64, 10_000))
        selection = narrow(selection)
    assert selection.histogram.numel() == 0
