"""State dicts without a framework, in both containers, and for a module of the caller's."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import dqn2snn
from dqn2snn.errors import CheckpointError
from dqn2snn.io.checkpoints import load_q_network, q_network_of, weights_of
from dqn2snn.io.checkpoints._source import open_source
from tests.io.checkpoints.sources import assert_equal_q, observations_of, saved


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def convolutional(*layers: nn.Module, features: int, divide: bool) -> nn.Sequential:
    first = [dqn2snn.zoo.Divide(255)] if divide else []
    return nn.Sequential(*first, *layers, nn.Flatten(), nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 5))


NETWORKS = {
    "mlp": lambda: mlp(4, 16, 24, 3),
    "long mlp": lambda: mlp(4, *[8] * 7, 3),
    "linear": lambda: mlp(4, 2),
    "nature": lambda: convolutional(
        nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(),
        features=3136, divide=True,
    ),
    "mnih2013": lambda: convolutional(
        nn.Conv2d(4, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), features=2592, divide=True
    ),
    "minatar": lambda: convolutional(nn.Conv2d(6, 16, 3), nn.ReLU(), features=1024, divide=False),
}  # fmt: skip


@pytest.mark.parametrize("container", ["torch", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "linear"])
def test_known_shapes_give_their_q_values(
    name: str, dtype: torch.dtype, container: str, tmp_path: Path
) -> None:
    source = NETWORKS[name]().to(dtype)
    path = tmp_path / f"dqn.{container}"
    if container == "torch":
        torch.save(source.state_dict(), path)
    else:
        save_file(source.state_dict(), path)
    checkpoint = load_q_network(path)
    assert checkpoint.provenance.rule == "plain"
    assert "assumed: ReLU" in str(checkpoint.provenance)
    # The weights are kept; what half precision computes with them is not the reference.
    exact = NETWORKS[name]().double()
    exact.load_state_dict({key: value.double() for key, value in source.state_dict().items()})
    assert_equal_q(checkpoint, lambda observations: exact(observations.double()))


def test_a_single_layer_loads_even_if_it_has_nothing_to_convert(tmp_path: Path) -> None:
    source = NETWORKS["linear"]()
    assert_equal_q(saved(source.state_dict(), tmp_path / "linear.pt"), source, convertible=False)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "q_network"])
def test_a_state_dict_is_found_beside_other_things(key: str, tmp_path: Path) -> None:
    source = mlp(4, 16, 3)
    optimizer = torch.optim.Adam(source.parameters()).state_dict()
    content = {key: source.state_dict(), "optimizer": optimizer, "epoch": 7, "config": {"lr": 1e-3}}
    assert_equal_q(saved(content, tmp_path / "run.pt"), source)


def test_names_need_no_numbers_where_shapes_tell_the_order(tmp_path: Path) -> None:
    class Named(nn.Module):
        def __init__(self, hidden: int) -> None:
            super().__init__()
            self.z_input = nn.Linear(4, 16)
            self.hidden = nn.Linear(16, hidden)
            self.a_output = nn.Linear(hidden, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q: torch.Tensor = self.a_output(self.hidden(self.z_input(x).relu()).relu())
            return q

    source = Named(24)
    save_file(source.state_dict(), tmp_path / "dqn.safetensors")
    assert_equal_q(load_q_network(tmp_path / "dqn.safetensors"), source)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("nature", ("0.layers.0", "0.layers.1", "0.layers.2", "0.output", "1")),
        ("mnih2013", ("0.layers.0", "0.layers.1", "0.output", "1")),
        ("mlp", ("model.hidden_layers.0", "model.hidden_layers.1", "model.output")),
    ],
)
def test_networks_of_pfrl_are_read_by_its_names(name: str, names: tuple[str, ...], tmp_path: Path) -> None:
    network = NETWORKS[name]()
    layers = [layer for layer in network if isinstance(layer, (nn.Conv2d, nn.Linear))]
    state = {
        f"{prefix}.{key}": value
        for prefix, layer in zip(names, layers, strict=True)
        for key, value in layer.state_dict().items()
    }
    assert_equal_q(saved(OrderedDict(state), tmp_path / "model.pt"), network)


def test_names_and_shapes_that_leave_the_order_open_are_refused(tmp_path: Path) -> None:
    layers = OrderedDict(
        first=nn.Linear(4, 16), b=nn.Linear(16, 16), a=nn.Linear(16, 16), last=nn.Linear(16, 2)
    )
    save_file(nn.Sequential(layers).state_dict(), tmp_path / "dqn.safetensors")
    with pytest.raises(CheckpointError, match=r"whose order the file tells. .* which fit in several"):
        load_q_network(tmp_path / "dqn.safetensors")


def test_a_target_network_beside_it_is_left_out(tmp_path: Path) -> None:
    source = mlp(4, 16, 3)
    both = nn.ModuleDict({"online": source, "target_net": mlp(4, 16, 3)})
    assert_equal_q(saved(both.state_dict(), tmp_path / "both.pt"), source)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)), "Found 1.bias, .* module="),
        (nn.Sequential(nn.Conv2d(4, 8, 5), nn.Flatten(), nn.Linear(8, 2)), r"kernels .* Found \(5,\)"),
        (nn.Sequential(nn.Conv2d(4, 8, (8, 3)), nn.Flatten(), nn.Linear(8, 2)), "Found"),
        (nn.Sequential(nn.Linear(4, 8), nn.Linear(9, 2)), "behind each other"),
        (nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(8, 2)), r"observations of shape \(4, 10, 10\)"),
        (nn.Sequential(nn.Conv2d(4, 8, 3)), "Expected a linear layer of Q-values at the end"),
        (nn.LSTM(4, 8), "Found bias_hh_l0"),
        (nn.Sequential(), "no tensors"),
    ],
)  # fmt: skip
def test_other_networks_are_refused_with_what_to_do(network: nn.Module, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        saved(network.state_dict(), tmp_path / "other.pt")


# A module of the caller's


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_module_takes_the_weights_and_stays_as_it_was(dtype: torch.dtype, tmp_path: Path) -> None:
    source, module = NETWORKS["minatar"](), NETWORKS["minatar"]()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.save(source.to(dtype).state_dict(), tmp_path / "dqn.pt")
    checkpoint = load_q_network(tmp_path / "dqn.pt", module=module)
    assert checkpoint.provenance.rule == "module"
    frames = torch.rand(4, 6, 10, 10)
    torch.testing.assert_close(checkpoint(frames), source(frames.to(dtype)).float(), rtol=0, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert not checkpoint.training


@pytest.mark.parametrize(
    ("sizes", "message"), [((4, 8, 3), "of shape"), ((4, 16, 16, 3), "only one side has 4.bias")]
)
def test_a_module_of_another_shape_is_refused(sizes: tuple[int, ...], message: str, tmp_path: Path) -> None:
    torch.save(mlp(4, 16, 3).state_dict(), tmp_path / "dqn.pt")
    with pytest.raises(CheckpointError, match=message):
        load_q_network(tmp_path / "dqn.pt", module=mlp(*sizes))


def test_what_was_read_can_be_converted(tmp_path: Path) -> None:
    checkpoint = saved(mlp(4, 16, 24, 3).state_dict(), tmp_path / "dqn.pt")
    observations = observations_of(checkpoint, 256)
    snn = dqn2snn.convert(checkpoint, observations, num_steps=64)
    assert (snn(observations).argmax(1) == checkpoint(observations).argmax(1)).float().mean() > 0.9


def test_weights_that_a_reader_found_out_of_range_are_refused(tmp_path: Path) -> None:
    torch.save(mlp(4, 8, 2).state_dict(), tmp_path / "net.pt")
    source = open_source(tmp_path / "net.pt")
    layers = weights_of({name: values.clone() for name, values in mlp(4, 8, 2).state_dict().items()})
    layers[0].weight[0, 0] = torch.nan
    with pytest.raises(CheckpointError, match=r"Expected finite weights\. Found NaN or infinity"):
        q_network_of(source, layers, (), (4,), rule="mine", framework="mine")
