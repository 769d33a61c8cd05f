"""A zip as Stable-Baselines3 lays it out, small and without the library: damage is tried on it thousands of times.

That real zips of the library load is tested where the library is.
"""

from __future__ import annotations

import io
import json
import zipfile

import torch
from torch import nn

__all__ = ["sb3_zip"]


def sb3_zip(dqn: nn.Module) -> bytes:
    """The zip of a DQN with this MLP."""
    shapes = [tuple(layer.weight.shape) for layer in dqn.modules() if isinstance(layer, nn.Linear)]
    data = {
        "policy_kwargs": {},
        "observation_space": {
            ":type:": "<class 'gymnasium.spaces.box.Box'>", "dtype": "float32", "_shape": [shapes[0][1]],
            "low": "-inf", "high": "inf",
        },
        "action_space": {":type:": "<class 'gymnasium.spaces.discrete.Discrete'>", "n": str(shapes[-1][0])},
    }  # fmt: skip
    weights = io.BytesIO()
    torch.save({f"q_net.q_net.{name}": tensor for name, tensor in dqn.state_dict().items()}, weights)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data", json.dumps(data))
        archive.writestr("pytorch_variables.pth", b"")
        archive.writestr("policy.pth", weights.getvalue())
        archive.writestr("policy.optimizer.pth", b"")
        archive.writestr("_stable_baselines3_version", "2.9.2")
    return file.getvalue()
