"""Damaged files: each is refused, or is the checkpoint that it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dqn2snn.errors import CheckpointError
from tests.io.checkpoints.whole import ALL, WHOLE, read, refused, same

in_one_directory = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None
)


@pytest.mark.parametrize("name", list(ALL))
def test_the_whole_files_load(name: str, tmp_path: Path) -> None:
    assert same(read(ALL[name], name, tmp_path))


@pytest.mark.parametrize("name", list(ALL))
def test_truncated_files_are_refused(name: str, tmp_path: Path) -> None:
    for length in range(0, len(ALL[name]), 7):
        refused(ALL[name][:length], name, tmp_path)


@pytest.mark.parametrize("name", list(WHOLE))
def test_a_flipped_bit_never_gives_another_network(name: str, tmp_path: Path) -> None:
    for position in range(0, len(WHOLE[name]), 11):
        damaged = bytearray(WHOLE[name])
        damaged[position] ^= 1 << position % 8
        try:
            found = read(bytes(damaged), name, tmp_path)
        except CheckpointError:
            continue
        assert same(found)


@pytest.mark.parametrize("name", list(WHOLE))
@given(data=st.data())
@in_one_directory
def test_damaged_bytes_never_give_another_network(name: str, data: st.DataObject, tmp_path: Path) -> None:
    whole, damaged = WHOLE[name], bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(whole) - 1))
        new = data.draw(st.binary(min_size=1, max_size=8))
        damaged[start : start + data.draw(st.integers(0, 8))] = new
    try:
        found = read(bytes(damaged), name, tmp_path)
    except CheckpointError:
        return
    assert same(found)


@given(data=st.data())
@in_one_directory
def test_safetensors_has_no_checksum_but_its_structure_is_checked(
    data: st.DataObject, tmp_path: Path
) -> None:
    """What is damaged in its header is refused, or renames layers; a network that comes of it is whole and finite."""
    whole = ALL["dqn.safetensors"]
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(damaged), "dqn.safetensors", tmp_path)
    except CheckpointError:
        return
    assert found.observation_shape is not None
    assert found(torch.zeros(1, *found.observation_shape)).isfinite().all()


@given(
    content=st.binary(max_size=64),
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x08\0\0\0\0\0\0\0{"]),
)
@in_one_directory
def test_other_bytes_are_refused(head: bytes, content: bytes, tmp_path: Path) -> None:
    refused(head + content, "dqn.pt", tmp_path)


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("ending", [".zip", ".pt", ".safetensors", ".cleanrl_model", ".txt", ""])
def test_renamed_files_are_what_they_are(name: str, ending: str, tmp_path: Path) -> None:
    assert same(read(ALL[name], f"renamed{ending}", tmp_path))
