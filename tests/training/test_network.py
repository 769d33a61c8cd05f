"""Quantile networks, the plain networks that are their averages, and the files in which they are kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")

from torch import nn

from atari.export import Description, read_export, score_of, write_export
from atari.network import BODIES, SCREEN_BODIES, Bytes, QuantileNetwork, as_input, averaged
from dqn2snn import zoo
from dqn2snn.errors import CheckpointError

TRAINED = Path(__file__).parents[2] / "zoo" / "atari"


def frames(count: int = 32, body: str = "nips2013") -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, *BODIES[body].observation), generator=generator, dtype=torch.uint8)


def assert_plain_is_the_average(network: QuantileNetwork) -> None:
    x = frames(body=network.body)
    with torch.no_grad():
        expected = network(as_input(x)).mean(2)
        q = averaged(network)(x.float())
    scale = float(expected.abs().max())
    torch.testing.assert_close(q, expected, atol=1e-5 * scale, rtol=0)
    top = expected.topk(2).values
    clear = top[:, 0] - top[:, 1] > 2e-5 * scale
    assert clear.float().mean() > 0.9
    assert torch.equal(q.argmax(1)[clear], expected.argmax(1)[clear])


@pytest.mark.parametrize("body", BODIES)
def test_averaging_the_head_gives_a_plain_network_with_the_same_q_values(body: str) -> None:
    network = QuantileNetwork(body, actions=6, quantiles=7)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert_plain_is_the_average(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("game", ["crazy_climber", "krull", "name_this_game", "road_runner"])
def test_trained_networks_have_the_same_average(game: str) -> None:
    if not TRAINED.exists():
        pytest.skip("only in the repository")
    network, description = read_export(TRAINED / game)
    assert (description["game"], description["body"]) == (game, "nips2013")
    assert_plain_is_the_average(network)


@pytest.mark.parametrize("body", SCREEN_BODIES)
def test_the_zoo_keeps_such_networks(body: str, tmp_path: Path) -> None:
    network = averaged(QuantileNetwork(body, actions=6, quantiles=7))
    rebuilt = zoo.build_network(zoo.layers_of(network))
    rebuilt.load_state_dict(network.state_dict())
    assert torch.equal(rebuilt(frames(2).float()), network(frames(2).float()))
    assert all(parameter.is_contiguous() for parameter in zoo.round_to_half(network).parameters())


def test_the_bodies_are_those_of_the_papers() -> None:
    def kinds(body: str) -> list[object]:
        network = averaged(QuantileNetwork(body, actions=18, quantiles=2))
        return [layer for layer in zoo.layers_of(network) if layer[0] in ("conv2d", "linear")]

    assert kinds("nips2013") == [
        ["conv2d", 4, 16, 8, 4],
        ["conv2d", 16, 32, 4, 2],
        ["linear", 2592, 256],
        ["linear", 256, 18],
    ]
    assert kinds("nature") == [
        ["conv2d", 4, 32, 8, 4],
        ["conv2d", 32, 64, 4, 2],
        ["conv2d", 64, 64, 3, 1],
        ["linear", 3136, 512],
        ["linear", 512, 18],
    ]


def test_bytes_are_what_they_say() -> None:
    memory = frames(3, "ram")
    b = memory[:, :, 0].double()
    newest = b[:, 3]
    waves = [f(2 * math.pi * newest / period) for period in (32, 64, 128) for f in (torch.sin, torch.cos)]
    changes = [((b[:, k + 1] - b[:, k]) / 8).clip(-4, 4) for k in range(3)]
    expected = torch.cat([(newest - 128) / 64, *waves, *changes], 1)
    torch.testing.assert_close(Bytes()(as_input(memory)).double(), expected, atol=1e-4, rtol=0)


DESCRIPTION: Description = {
    "game": "pong",
    "body": "nips2013",
    "quantiles": 3,
    "actions": 6,
    "steps": 12,
    "score": score_of([1.0, 2.0, 6.0], 0.05),
    "training": {"gamma": 0.99},
}


def test_an_exported_network_is_read_back_in_half_precision(tmp_path: Path) -> None:
    network = QuantileNetwork("nips2013", 6, 3)
    write_export(tmp_path, network, DESCRIPTION)
    again, description = read_export(tmp_path)
    assert description == DESCRIPTION
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name].half().float())
    assert not list(tmp_path.glob("*.partial"))


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    write_export(tmp_path, QuantileNetwork("nips2013", 6, 3), DESCRIPTION)
    weights, about = tmp_path / "checkpoint.safetensors", tmp_path / "checkpoint.json"
    data, described = weights.read_bytes(), json.loads(about.read_text())

    def assert_refused(message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            read_export(tmp_path)

    unnamed = {name: value for name, value in described.items() if name != "weights_sha256"}
    weights.write_bytes(data[:1000])
    assert_refused("names another checkpoint.safetensors")
    about.write_text(json.dumps(unnamed))
    assert_refused("Found: ")
    weights.write_bytes(data)
    for field, value in (
        ("body", "vgg"),
        ("quantiles", 10**12),
        ("steps", -1),
        ("actions", "6"),
        ("game", None),
        ("training", []),
        ("training", {"before": [1]}),
        ("training", {"wall_seconds": "long"}),
        ("training", {"wall_seconds": math.nan}),
    ):
        about.write_text(json.dumps(unnamed | {field: value}))
        assert_refused(f"{field} is|body 'vgg'|no head of")
    for text in ("[]", "{", json.dumps(unnamed | {"format_version": 2})):
        about.write_text(text)
        assert_refused("Expected the checkpoint of a quantile network")
    about.unlink()
    assert_refused("No such file")


def test_weights_that_half_precision_does_not_hold_are_not_exported(tmp_path: Path) -> None:
    network = QuantileNetwork("nips2013", 6, 3)
    nn.init.constant_(network.q.bias, 1e6)
    with pytest.raises(CheckpointError, match=r"Found others in 'q\.bias'"):
        write_export(tmp_path, network, DESCRIPTION)
    assert not list(tmp_path.iterdir())
