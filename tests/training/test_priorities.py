"""The sum tree beside sums and draws over a plain list of weights."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

from hypothesis import given
from hypothesis import strategies as st

from atari.priorities import SumTree

weights = st.floats(0, 1e6, allow_subnormal=False) | st.just(0.0)


@given(st.integers(1, 40), st.data())
def test_sums_and_draws_are_those_of_the_weights(size: int, data: st.DataObject) -> None:
    tree, expected = SumTree(size), np.zeros(size)
    for _ in range(data.draw(st.integers(1, 5))):
        numbers = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=size)))
        values = np.array(data.draw(st.lists(weights, min_size=len(numbers), max_size=len(numbers))))
        tree.set(numbers, values)
        expected[numbers] = values
    np.testing.assert_array_equal(tree.weights(np.arange(size)), expected)
    np.testing.assert_allclose(tree.total, expected.sum(), rtol=1e-12)
    if tree.total > 0:
        drawn = tree.draw(200, np.random.default_rng(0))
        assert (expected[drawn] > 0).all()


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13])
def test_numbers_are_drawn_in_proportion(size: int) -> None:
    wanted = np.arange(size) % 4 + 1.0
    tree = SumTree(size)
    tree.set(np.arange(size), wanted)
    found = np.bincount(tree.draw(40_000, np.random.default_rng(1)), minlength=size) / 40_000
    np.testing.assert_allclose(found, wanted / wanted.sum(), atol=5 * 0.5 / 200)


def test_no_empty_number_is_drawn_where_rounding_leaves_a_rest() -> None:
    """0.1 + 0.2 + ... differs from the sum in another order; the last leaf before the padding is empty."""
    tree = SumTree(9)
    tree.set(np.arange(8), np.array([0.1, 0.2, 0.3, 1e-17, 0.7, 1e16, 1.0, 0.0]))

    class Largest(np.random.Generator):
        def random(self, size: int) -> np.ndarray:  # type: ignore[override]
            return np.full(size, np.nextafter(1.0, 0.0))

    assert set(tree.draw(3, Largest(np.random.PCG64(0)))) <= set(range(7))
