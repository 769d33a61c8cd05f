from __future__ import annotations

import copy
import hashlib
import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from dqn2snn import load_q_network, zoo
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.play.envs import make_env, spaces_of
from tests.io.zoo_copies import SHIPPED, save_copy

NAMES = (
    "acrobot",
    "cartpole",
    "lunarlander",
    "minatar-asterix",
    "minatar-breakout",
    "minatar-freeway",
    "minatar-space_invaders",
    "mountaincar",
)
SMALL: list[list[str | int]] = [
    ["divide", 255],
    ["conv2d", 2, 3, 3, 2],
    ["relu"],
    ["flatten"],
    ["linear", 12, 5],
    ["relu"],
    ["linear", 5, 3],
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of a shipped agent, to be damaged."""
    return Path(shutil.copytree(SHIPPED / "cartpole", tmp_path / "agent"))


def edit_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(directory: Path, **changes: torch.Tensor) -> None:
    """Change tensors, and the checksum with them, so that what is refused is the tensors."""
    path = directory / "weights.safetensors"
    path.write_bytes(safetensors.torch.save(safetensors.torch.load(path.read_bytes()) | changes))
    edit_config(directory, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest())


# What is shipped


def test_the_shipped_agents_are_the_promised_ones_and_small() -> None:
    assert zoo.names() == NAMES
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 3_000_000


@pytest.mark.parametrize("name", NAMES)
def test_shipped_agents_fit_their_environment(name: str) -> None:
    agent = load_q_network(name)
    env = make_env(agent.env_id)
    shape, num_actions = spaces_of(env)
    assert shape == tuple(agent.config["observation_shape"])
    assert num_actions == agent.config["num_actions"]
    observation = torch.from_numpy(env.reset(seed=0)[0])[None]
    assert agent(observation).shape == (1, num_actions)
    env.close()


@pytest.mark.parametrize("name", NAMES)
def test_shipped_networks_are_ready_to_use(name: str) -> None:
    network = load_q_network(name)
    assert not network.training
    for parameter in network.parameters():
        assert parameter.dtype == torch.float32
        assert not parameter.requires_grad
        assert torch.equal(parameter.half().float(), parameter)
    assert copy.deepcopy(network).state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize("name", NAMES)
def test_shipped_scores_follow_from_their_returns(name: str) -> None:
    evaluation = load_q_network(name).config["evaluation"]
    returns = torch.tensor(evaluation["returns"], dtype=torch.float64)
    assert len(returns) == evaluation["episodes"] >= 50
    assert evaluation["mean"] == pytest.approx(returns.mean().item())
    assert evaluation["std"] == pytest.approx(returns.std().item())
    low, high = evaluation["ci95"]
    # Student's t for 50 and more values lies between 1.96 and 2.01.
    half = 2.0 * evaluation["std"] / math.sqrt(len(returns))
    assert low == pytest.approx(evaluation["mean"] - half, abs=0.03 * half + 1e-9)
    assert high == pytest.approx(evaluation["mean"] + half, abs=0.03 * half + 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_cards_are_rendered_from_their_configuration(name: str, tmp_path: Path) -> None:
    agent = load_q_network(name)
    config = agent.config
    again = zoo.save_agent(
        tmp_path / name,
        agent,
        name=agent.name,
        env=agent.env_id,
        observation_shape=config["observation_shape"],
        training=config["training"],
        evaluation=config["evaluation"],
        limitations=config["limitations"],
    )
    assert again.config == config
    for file in ("README.md", "config.json", "weights.safetensors"):
        assert (tmp_path / name / file).read_bytes() == (SHIPPED / name / file).read_bytes()


def test_a_shipped_agent_plays_as_its_card_says() -> None:
    agent = load_q_network("cartpole")
    evaluation = agent.config["evaluation"]
    env = make_env(agent.env_id)
    observation, _ = env.reset(seed=evaluation["seed"])
    total, done = 0.0, False
    while not done:
        action = agent(torch.from_numpy(observation)[None]).argmax().item()
        observation, reward, terminated, truncated, _ = env.step(action)
        total, done = total + float(reward), terminated or truncated
    env.close()
    assert total == evaluation["returns"][0]


# Loading


def test_loading_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    load_q_network("minatar-freeway")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match="acrobot, cartpole, lunarlander, minatar-asterix"):
        load_q_network("chess")
    with pytest.raises(CheckpointError, match="the name of an agent"):
        load_q_network("../agents/cartpole")


def test_missing_weights_are_named(directory: Path) -> None:
    (directory / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: cannot be read"):
        load_q_network(directory)


def test_weights_without_their_configuration_are_a_plain_checkpoint(directory: Path) -> None:
    (directory / "config.json").unlink()
    assert load_q_network(directory).provenance.rule == "plain"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"config"', "\x00\xff", "[" * 100_000])
def test_a_configuration_that_is_none_is_refused(directory: Path, text: str) -> None:
    (directory / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_q_network(directory)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "Expected format_version 1. Found 2"),
        ({"format_version": None}, "Expected format_version 1. Found None"),
        ({"env_id": 3}, "'env_id' to be of type str"),
        ({"num_actions": True}, "'num_actions' to be of type int"),
        ({"training": None}, "'training' to be of type dict"),
        ({"observation_shape": [4.0]}, "positive integers"),
        ({"observation_shape": []}, "positive integers"),
        ({"observation_shape": [3]}, r"observations of shape \(3,\)"),
        ({"num_actions": 3}, "3 Q-values"),
        ({"layers": [["lstm", 4, 2]]}, "layer 0 to be one of divide, conv2d, relu, flatten, linear"),
        ({"layers": [["linear", 4]]}, "in_features"),
        ({"layers": [["linear", 4, -2]]}, "positive integers"),
        ({"layers": [["linear", 4, 2.0]]}, "positive integers"),
        ({"layers": ["linear"]}, "layer 0"),
        ({"layers": [{"kind": "linear"}]}, "layer 0"),
        ({"layers": [[["linear"], 4, 2]]}, "layer 0"),
        ({"layers": []}, "2 Q-values"),
        ({"layers": [["linear", 4, 10**12], ["linear", 10**12, 2]]}, "Expected the tensors"),
        ({"layers": [["linear", 4, 32], ["relu"], ["linear", 32, 2]]}, "Expected the tensors"),
    ],
)
def test_a_wrong_configuration_is_refused(directory: Path, changes: dict[str, Any], message: str) -> None:
    edit_config(directory, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_q_network(directory)


def test_weights_must_fit_the_configuration(directory: Path) -> None:
    edit_weights(directory, **{"0.weight": torch.zeros(64, 5).half()})
    with pytest.raises(CheckpointError, match=r"'0.weight' as float16 of shape \(64, 4\)"):
        load_q_network(directory)
    edit_weights(directory, **{"0.weight": torch.zeros(64, 4)})
    with pytest.raises(CheckpointError, match=r"Found torch.float32 of shape \(64, 4\)"):
        load_q_network(directory)
    edit_weights(directory, **{"0.weight": torch.zeros(64, 4).half(), "9.weight": torch.zeros(1).half()})
    with pytest.raises(CheckpointError, match=r"Found .*9.weight"):
        load_q_network(directory)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(directory: Path, value: float) -> None:
    edit_weights(directory, **{"2.bias": torch.full((64,), value).half()})
    with pytest.raises(CheckpointError, match=r"NaN or infinity in '2\.bias'"):
        load_q_network(directory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_weights_never_load(directory: Path, data: st.DataObject) -> None:
    path = directory / "weights.safetensors"
    whole = (SHIPPED / "cartpole" / "weights.safetensors").read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(data.draw(st.sampled_from([bytes(flipped), whole[:position]])))
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: Expected the file whose SHA-256"):
        load_q_network(directory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_files_that_are_no_safetensors_are_refused_whatever_the_checksum(
    directory: Path, content: bytes
) -> None:
    (directory / "weights.safetensors").write_bytes(content)
    edit_config(directory, weights_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        load_q_network(directory)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("file", ["config.json", "weights.safetensors"])
def test_nothing_is_unpickled(directory: Path, tmp_path: Path, file: str) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    (directory / file).write_bytes(bomb)
    if file == "weights.safetensors":
        edit_config(directory, weights_sha256=hashlib.sha256(bomb).hexdigest())
    with pytest.raises(CheckpointError):
        load_q_network(directory)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "changes", [{"also_evaluated": {}}, {"action_names": "left"}, {"learning_curve": True}]
)
def test_what_may_be_missing_must_be_of_its_kind(directory: Path, changes: dict[str, Any]) -> None:
    edit_config(directory, **changes)
    with pytest.raises(CheckpointError, match=f"Expected '{next(iter(changes))}' to be of type"):
        load_q_network(directory)


# Layers


def test_layers_survive_the_way_there_and_back() -> None:
    network = zoo.build_network(SMALL)
    assert zoo.layers_of(network) == SMALL
    assert network(torch.zeros(2, 2, 5, 5)).shape == (2, 3)


@pytest.mark.parametrize(
    "module",
    [
        nn.Tanh(),
        nn.Linear(4, 2, bias=False),
        nn.Conv2d(2, 3, (3, 2)),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Conv2d(2, 4, 3, groups=2),
        nn.Flatten(0),
        nn.Sequential(nn.ReLU()),
    ],
    ids=str,
)
def test_layers_that_the_format_does_not_keep_are_refused(module: nn.Module) -> None:
    with pytest.raises(ArgumentError, match="Expected layer 1 to be Linear"):
        zoo.layers_of(nn.Sequential(nn.ReLU(), module))


# Saving


def test_rounding_is_what_the_file_does() -> None:
    network = zoo.build_network(SMALL)
    before = copy.deepcopy(network.state_dict())
    rounded = zoo.round_to_half(network)
    for key, tensor in rounded.state_dict().items():
        assert torch.equal(network.state_dict()[key], before[key])
        assert torch.equal(tensor, before[key].half().float())
        assert torch.equal(zoo.round_to_half(rounded).state_dict()[key], tensor)


def test_a_convolutional_network_comes_back_bit_by_bit(tmp_path: Path) -> None:
    network = zoo.round_to_half(zoo.build_network(SMALL))
    agent = save_copy(tmp_path / "agent", dqn=network, observation_shape=(2, 5, 5))
    observations = torch.rand(7, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(agent(observations), network(observations))
    frames = torch.arange(50, dtype=torch.uint8).reshape(1, 2, 5, 5)
    assert torch.equal(agent(frames), network(frames.float()))
    assert agent.config["num_actions"] == 3
    assert load_q_network(tmp_path / "agent").config == agent.config


def test_what_else_is_known_is_kept_and_on_the_card(tmp_path: Path) -> None:
    evaluation = load_q_network("cartpole").config["evaluation"]
    curve = [{"step": 10, "return": 1.5}, {"step": 20, "return": 2.0}]
    agent = save_copy(
        tmp_path / "agent",
        also_evaluated=[evaluation | {"epsilon": 0.05}],
        action_names=("left", "right"),
        curve=curve,
        training=load_q_network("cartpole").config["training"] | {"wall_seconds": None, "seed": None},
    )
    assert agent.config["also_evaluated"][0]["epsilon"] == 0.05
    assert agent.config["action_names"] == ["left", "right"]
    lines = (tmp_path / "agent" / "curve.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == curve
    card = (tmp_path / "agent" / "README.md").read_text()
    for text in ("epsilon 0.05", "Actions: left, right.", "`curve.jsonl`", "| Wall time | not recorded |"):
        assert text in card


def test_saving_replaces_an_agent_and_leaves_nothing_beside(tmp_path: Path) -> None:
    save_copy(tmp_path / "runs" / "agent", name="first")
    save_copy(tmp_path / "runs" / "agent", name="second")
    assert load_q_network(tmp_path / "runs" / "agent").name == "second"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["agent"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"dqn": nn.Sequential(nn.Linear(4, 2))}, ArgumentError, "round_to_half"),
        ({"observation_shape": (5,)}, CheckpointError, r"observations of shape \(5,\)"),
        ({"dqn": nn.Sequential(), "name": None}, ArgumentError, "Expected a name, .* Found name=None"),
        ({"training": {"wall_seconds": math.nan}}, ArgumentError, "finite data"),
        ({"training": {"seed": object()}}, ArgumentError, "plain"),
    ],
)
def test_a_refused_agent_leaves_the_old_one_untouched(
    directory: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(error, match=message):
        save_copy(directory, **changes)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert list(directory.parent.iterdir()) == [directory]


@pytest.mark.parametrize("value", [math.nan, math.inf, 70_000.0])
def test_weights_beyond_half_precision_are_not_saved(tmp_path: Path, value: float) -> None:
    network = copy.deepcopy(load_q_network("cartpole"))
    network.state_dict()["0.bias"][0] = value
    with pytest.raises(
        ArgumentError, match=r"Expected finite weights below 65,504. Found others in '0\.bias'"
    ):
        save_copy(tmp_path / "agent", dqn=network)
    assert not list(tmp_path.iterdir())


def test_somebody_elses_directory_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    with pytest.raises(ArgumentError, match="other files"):
        save_copy(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years of work"
