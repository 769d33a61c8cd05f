"""Files as CleanRL's scripts save them, of the networks that the scripts define."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.errors import CheckpointError, UnsupportedModuleError
from dqn2snn.io.checkpoints import load_q_network
from tests.io.checkpoints.sources import assert_equal_q, observations_of, saved


class Mlp(nn.Module):
    """The network of ``dqn.py``, and with atoms that of ``c51.py``."""

    def __init__(self, actions: int, atoms: int = 1) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(4, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, actions * atoms)
        )
        self.actions, self.count = actions, atoms
        if atoms > 1:
            self.register_buffer("atoms", torch.linspace(-100, 100, steps=atoms))

    def scaled(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(self.scaled(x))
        if self.count == 1:
            return logits
        probabilities = torch.softmax(logits.view(len(x), self.actions, self.count), dim=2)
        return (probabilities * self.get_buffer("atoms")).sum(2)


class Atari(Mlp):
    """The network of ``dqn_atari.py``, and with atoms that of ``c51_atari.py``."""

    def __init__(self, actions: int, atoms: int = 1) -> None:
        super().__init__(actions, atoms)
        self.network = nn.Sequential(
            nn.Conv2d(4, 32, 8, stride=4), nn.ReLU(), nn.Conv2d(32, 64, 4, stride=2), nn.ReLU(),
            nn.Conv2d(64, 64, 3, stride=1), nn.ReLU(), nn.Flatten(),
            nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, actions * atoms),
        )  # fmt: skip

    def scaled(self, x: Tensor) -> Tensor:
        return x / 255.0


ARGS = {
    "exp_name": "c51",
    "seed": 1,
    "torch_deterministic": True,
    "wandb_entity": None,
    "learning_rate": 2.5e-4,
}


@pytest.mark.parametrize(("network", "preset"), [(Mlp, None), (Atari, "cleanrl")])
def test_a_dqn_gives_its_q_values(network: type[Mlp], preset: str | None, tmp_path: Path) -> None:
    source = network(6)
    checkpoint = saved(source.state_dict(), tmp_path / "dqn_atari.cleanrl_model")
    assert (checkpoint.provenance.rule, checkpoint.provenance.framework) == ("cleanrl", "CleanRL")
    assert (checkpoint.preset.name if checkpoint.preset else None) == preset
    assert_equal_q(checkpoint, source)


@pytest.mark.parametrize("network", [Mlp, Atari])
def test_c51_gives_its_expected_values_and_names_its_environment(network: type[Mlp], tmp_path: Path) -> None:
    source = network(3, atoms=51)
    with torch.no_grad():
        source.network[-1].weight.mul_(20)  # an untrained network expects the same of everything
    content = {"model_weights": source.state_dict(), "args": ARGS | {"env_id": "CartPole-v1"}}
    checkpoint = saved(content, tmp_path / "c51.cleanrl_model")
    assert (checkpoint.num_actions, checkpoint.env_id) == (3, "CartPole-v1")
    assert checkpoint.provenance.framework == "CleanRL C51"
    assert_equal_q(checkpoint, source, convertible=False)


def test_c51_is_converted_below_its_readout(tmp_path: Path) -> None:
    source = Mlp(3, atoms=51)
    with torch.no_grad():
        source.network[-1].weight.mul_(20)
    checkpoint = saved({"model_weights": source.state_dict(), "args": ARGS}, tmp_path / "c51.cleanrl_model")
    observations = observations_of(checkpoint, 256)
    with pytest.raises(UnsupportedModuleError, match="Convert the network below the softmax"):
        dqn2snn.convert(checkpoint, observations)
    assert isinstance(checkpoint.module, nn.Sequential)
    snn = dqn2snn.convert(checkpoint.module[:-1], observations, num_steps=128)
    readout = checkpoint.module[-1]
    agreement = (readout(snn(observations)).argmax(1) == checkpoint(observations).argmax(1)).float().mean()
    assert agreement > 0.9


@pytest.mark.parametrize("args", [None, [1], {"env_id": 3}])
def test_damaged_arguments_only_cost_the_environment(args: Any, tmp_path: Path) -> None:
    content = {"model_weights": Mlp(2, atoms=5).state_dict(), "args": args}
    assert saved(content, tmp_path / "c51.cleanrl_model").env_id == ""


@pytest.mark.parametrize("atoms", [torch.ones(7), torch.ones(1), torch.ones(5, 1)])
def test_atoms_that_do_not_fit_are_refused(atoms: Tensor, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="logits for each atom"):
        saved(Mlp(2, atoms=5).state_dict() | {"atoms": atoms}, tmp_path / "c51.cleanrl_model")


def test_files_of_the_jax_scripts_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "dqn_jax.cleanrl_model"
    path.write_bytes(b"\x81\xa6params\x82\xa7Dense_0\x81\xa4bias\xc4\x04\0\0\0\0")  # flax's msgpack
    with pytest.raises(CheckpointError, match="JAX"):
        load_q_network(path)
