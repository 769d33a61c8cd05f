"""State dicts of TorchRL's own actors and networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from tests.io.checkpoints.sources import assert_equal_q, saved, their_warnings

with their_warnings():
    pytest.importorskip("torchrl", reason="needs the extra frameworks")
    from tensordict.nn import TensorDictModule
    from torchrl.data import Categorical
    from torchrl.modules import MLP, ConvNet, DuelingCnnDQNet, NoisyLinear, QValueActor
    from torchrl.modules.models.models import DuelingMlpDQNet

CNN: dict[str, Any] = {
    "in_features": 4, "num_cells": [32, 64, 64], "kernel_sizes": [8, 4, 3], "strides": [4, 2, 1],
    "activation_class": nn.ReLU,
}  # fmt: skip


def mlp(**options: Any) -> Any:
    return MLP(
        **(
            {"in_features": 4, "out_features": 3, "num_cells": [16, 24], "activation_class": nn.ReLU}
            | options
        )
    )


def nature() -> nn.Sequential:
    return nn.Sequential(ConvNet(**CNN), mlp(in_features=3136, out_features=6, num_cells=[512]))


def dueling_cnn() -> Any:
    head = {"in_features": 3136, "num_cells": [512], "activation_class": nn.ReLU}
    return DuelingCnnDQNet(6, cnn_kwargs=CNN, mlp_kwargs=head)


def dueling_mlp() -> Any:
    features = {"in_features": 4, "num_cells": [16], "out_features": 24, "activation_class": nn.ReLU}
    head = {"in_features": 24, "num_cells": [12, 8], "depth": 2, "activation_class": nn.ReLU}
    return DuelingMlpDQNet(
        3, mlp_kwargs_feature=features | {"activate_last_layer": True}, mlp_kwargs_output=head
    )


NETWORKS = {
    "mlp": mlp, "noisy": lambda: mlp(layer_class=NoisyLinear), "nature": nature,
    "dueling cnn": dueling_cnn, "dueling mlp": dueling_mlp,
}  # fmt: skip


@pytest.mark.parametrize("wrapped", ["QValueActor", "TensorDictModule"])
@pytest.mark.parametrize("name", list(NETWORKS))
def test_an_actor_gives_its_q_values(name: str, wrapped: str, tmp_path: Path) -> None:
    with their_warnings():
        network = NETWORKS[name]().eval()
        actor = (
            QValueActor(network, in_keys=["observation"], spec=Categorical(network(_example(name)).shape[-1]))
            if wrapped == "QValueActor"
            else TensorDictModule(network, in_keys=["observation"], out_keys=["action_value"])
        )
    checkpoint = saved(actor.state_dict(), tmp_path / "actor.pt")
    assert checkpoint.provenance.rule == "torchrl"
    frames = name in ("nature", "dueling cnn")
    assert (checkpoint.preset is not None) == frames
    # In TorchRL, a transform divides frames before the network sees them.
    assert_equal_q(checkpoint, lambda observations: network(observations / 255 if frames else observations))


def _example(name: str) -> Tensor:
    import torch

    return torch.zeros(1, 4, 84, 84) if name in ("nature", "dueling cnn") else torch.zeros(1, 4)


@pytest.mark.parametrize("name", ["dueling cnn", "dueling mlp"])
def test_a_dueling_network_is_known_by_itself(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]()
    checkpoint = saved(network.state_dict(), tmp_path / "network.pt")
    assert checkpoint.provenance.rule == "torchrl"
    divisor = 255 if "cnn" in name else 1
    assert_equal_q(checkpoint, lambda observations: network(observations / divisor))
