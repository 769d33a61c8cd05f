"""Observations of any source become a tensor or a clear error."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from dqn2snn.errors import ArgumentError, ObservationError
from dqn2snn.tracing.observations import as_tensor, check_observations

DTYPES = [
    np.float16,
    np.float32,
    np.float64,
    np.uint8,
    np.int8,
    np.int16,
    np.uint16,
    np.int32,
    np.int64,
    np.bool_,
]


@given(
    hnp.arrays(
        st.sampled_from(DTYPES),
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    )
)
def test_arrays_of_any_dtype_keep_their_numbers(array: NDArray[Any]) -> None:
    found = check_observations(array, array.shape[1:])
    assert found.numpy().tobytes() == array.tobytes()
    assert found.numpy().dtype == array.dtype


def test_ordinary_arrays_and_tensors_are_shared() -> None:
    array = np.zeros((3, 2), dtype=np.float32)
    assert as_tensor(array).data_ptr() == array.ctypes.data
    tensor = torch.zeros(3, 2, requires_grad=True)
    assert as_tensor(tensor).data_ptr() == tensor.data_ptr()
    assert not as_tensor(tensor).requires_grad


def read_only() -> NDArray[np.float32]:
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    array.flags.writeable = False
    return array


ODD: dict[str, NDArray[Any]] = {
    "read-only": read_only(),
    "reversed": np.arange(6, dtype=np.float32).reshape(3, 2)[::-1, ::-1],
    "big-endian": np.arange(6, dtype=">f4").reshape(3, 2),
    "strided": np.arange(24, dtype=np.float32).reshape(3, 8)[:, ::4],
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "broadcast": np.broadcast_to(np.arange(2.0, dtype=np.float32), (3, 2)),
}


@pytest.mark.parametrize("array", ODD.values(), ids=ODD)
def test_arrays_that_torch_cannot_share_are_copied_without_a_warning(array: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = check_observations(array, (2,))
    assert found.dtype == torch.float32
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize(
    "rows", [[[1, 2], [3, 4]], ((1.0, 2.0),), [np.zeros(2), np.ones(2)], [[True, False]]]
)
def test_sequences_of_numbers_are_observations(rows: Any) -> None:
    assert check_observations(rows, (2,)).tolist() == np.asarray(rows).tolist()


def test_no_observations_are_a_batch_too() -> None:
    assert check_observations(np.zeros((0, 2)), (2,)).shape == (0, 2)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((3,), r"\[3\]"),
        ((3, 3), r"\[3, 3\]"),
        ((3, 2, 1), r"\[3, 2, 1\]"),
        ((), r"\[\]"),
        ((1, 3, 2), r"\[1, 3, 2\]"),
    ],
)
def test_other_shapes_are_refused_with_both(shape: tuple[int, ...], found: str) -> None:
    with pytest.raises(ObservationError, match=rf"shape \[B, 2\]\. Found {found}\."):
        check_observations(np.zeros(shape), (2,))


def test_one_observation_alone_gets_a_hint() -> None:
    with pytest.raises(ObservationError, match=r"Add a batch dimension: observations\[None\]"):
        check_observations(np.zeros((4, 84, 84), dtype=np.uint8), (4, 84, 84))


@given(
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
    st.integers(0, 8),
    st.integers(0, 3),
)
def test_numbers_that_are_not_finite_are_refused_by_index(
    dtype: torch.dtype, bad: float, row: int, column: int
) -> None:
    seen = torch.ones(9, 4, dtype=dtype)
    seen[row, column] = bad
    with pytest.raises(ObservationError, match=rf"NaN or infinity in 1 of 9, the first at index {row}\b"):
        check_observations(seen, (4,))


def test_the_largest_finite_numbers_are_finite() -> None:
    largest = torch.finfo(torch.float64).max
    assert check_observations(torch.tensor([[largest, -largest]], dtype=torch.float64), (2,)).shape == (1, 2)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "observations",
        {"obs": np.zeros((3, 2))},
        [[1, 2], [3]],
        np.array([["a", "b"]]),
        np.array([[None, 1]]),
        np.zeros((3, 2), dtype=np.complex64),
        torch.zeros(3, 2, dtype=torch.complex64),
        torch.zeros(3, 2).to_sparse(),
        torch.zeros(3, 2, device="meta"),
        object(),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_is_no_batch_of_real_numbers_is_refused(bad: Any) -> None:
    with pytest.raises(ObservationError, match=r"^Expected ") as caught:
        check_observations(bad, (2,))
    assert isinstance(caught.value, ArgumentError)
    assert isinstance(caught.value, ValueError)
