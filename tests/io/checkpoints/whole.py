"""Small whole files of each container, to be damaged, and what has to come of that."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints import QNetwork, load_q_network
from tests.io.checkpoints.sb3_zip import sb3_zip


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))


def torch_bytes(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def with_prefix(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in network().state_dict().items()}


WHOLE: dict[str, bytes] = {
    "dqn.zip": sb3_zip(network()),
    "dqn.pt": torch_bytes(network().state_dict()),
    "dqn.cleanrl_model": torch_bytes(
        {"model_weights": with_prefix("network."), "args": {"env_id": "Cart-v1"}}
    ),
    "policy.pth": torch_bytes(with_prefix("model.model.model.")),
}
"""With checksums in the container."""

ALL = WHOLE | {"dqn.safetensors": safetensors.torch.save(network().state_dict())}


def read(content: bytes, name: str, directory: Path) -> QNetwork:
    (directory / name).write_bytes(content)
    return load_q_network(directory / name)


def refused(content: bytes, name: str, directory: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(content, name, directory)
    message = str(caught.value)
    assert message.startswith(f"{directory / name}: Expected ")
    return message


def same(checkpoint: QNetwork) -> bool:
    expected, found = network().state_dict(), checkpoint.state_dict()
    return all(torch.equal(a, b) for a, b in zip(expected.values(), found.values(), strict=True))
