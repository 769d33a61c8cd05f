"""One object from every source, which goes as it is into every entry point."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.fx
from torch import nn

import dqn2snn
from dqn2snn import QNetwork, load_q_network, zoo
from dqn2snn.errors import ArgumentError, EnvironmentMismatchError
from tests import agents

NAME = "cartpole"


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


class Named(nn.Module):
    """Layers with names, a parameter of its own, and a buffer that state dicts leave out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.ReLU())
        self.head = nn.Linear(16, 2)
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("shift", torch.ones(()), persistent=False)

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.body(x)) * self.scale + self.shift


@pytest.fixture
def dqn() -> QNetwork:
    return load_q_network(NAME)


# The same network, with more about it


@pytest.mark.parametrize("module", [mlp(), Named()], ids=lambda module: type(module).__name__)
def test_a_live_module_keeps_its_names_its_plan_and_its_q_values(module: nn.Module) -> None:
    dqn = load_q_network(module)
    observations = torch.rand(100, 4)
    assert torch.equal(dqn(observations), module(observations))
    assert list(dqn.state_dict()) == list(module.state_dict())
    assert [name for name, _ in dqn.named_modules()] == [name for name, _ in module.named_modules()]
    assert all(a is b for a, b in zip(dqn.parameters(), module.parameters(), strict=True))
    bare, wrapped = dqn2snn.trace(module, (4,)), dqn2snn.trace(dqn, (4,))
    assert [layer.name for layer in wrapped.all_layers] == [layer.name for layer in bare.all_layers]
    plans = [dqn2snn.convert(each, observations, num_steps=8).plan for each in (module, dqn)]
    for a, b in zip(*(plan.all_layers for plan in plans), strict=True):
        assert a.name == b.name
        assert torch.equal(torch.as_tensor(a.threshold), torch.as_tensor(b.threshold))
    assert plans[0].report == plans[1].report


def test_a_live_module_is_neither_copied_nor_frozen_nor_switched() -> None:
    module = mlp()
    dqn = load_q_network(module, env="CartPole-v1")
    assert (dqn.name, dqn.env_id, dqn.provenance.rule) == ("Sequential", "CartPole-v1", "module")
    assert dqn.training
    assert all(parameter.requires_grad for parameter in dqn.parameters())
    with torch.no_grad():
        module[0].weight.add_(1)
    observations = torch.rand(3, 4)
    assert torch.equal(dqn(observations), module(observations))
    module.register_forward_hook(lambda *_: torch.zeros(1))
    assert torch.equal(dqn(observations), torch.zeros(1))


def test_it_behaves_as_a_module(dqn: QNetwork) -> None:
    observations = torch.rand(3, 4)
    q = dqn(observations)
    assert dqn.train() is dqn
    assert dqn.training
    assert dqn.module.training
    assert not dqn.eval().module.training
    for twin in (copy.deepcopy(dqn), copy.copy(dqn)):
        assert torch.equal(twin(observations), q)
        assert (twin.env_id, twin.config) == (dqn.env_id, dqn.config)
    changed = copy.deepcopy(dqn)
    changed.load_state_dict({name: torch.zeros_like(tensor) for name, tensor in dqn.state_dict().items()})
    assert torch.equal(changed(observations), torch.zeros(3, 2))
    assert torch.equal(dqn(observations), q)
    assert changed.double()(observations.double()).dtype == torch.float64
    assert not any(parameter.requires_grad for parameter in dqn.parameters())
    assert torch.equal(torch.fx.symbolic_trace(dqn)(observations), q)


def test_a_loaded_one_loads_again_with_another_environment_of_its_own(dqn: QNetwork) -> None:
    again = load_q_network(dqn, env="CartPole-v0")
    assert (again.env_id, dqn.env_id) == ("CartPole-v0", "CartPole-v1")
    assert again.module is dqn.module
    with pytest.raises(EnvironmentMismatchError, match=r"Expected observations of shape \(4,\)"):
        load_q_network(dqn, env="Acrobot-v1")


def test_what_is_no_source_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Expected a file, .* or a torch.nn.Module. Found int. Pass"):
        load_q_network(3)  # type: ignore[arg-type]


# Into every entry point


def test_it_goes_as_it_is_into_every_entry_point(dqn: QNetwork, tmp_path: Path) -> None:
    short: dict[str, Any] = {"episodes": 2, "max_episode_steps": 20, "progress": False}
    seen = dqn2snn.collect_observations(dqn, 100, progress=False)
    snn = dqn2snn.convert(dqn, seen, num_steps=8)
    assert dqn2snn.trace(dqn, (4,)).num_actions == 2
    assert len(dqn2snn.evaluate_policy(dqn, **short).returns) == 2
    assert len(dqn2snn.compare_policies(dqn, snn, **short).dqn.returns) == 2
    assert dqn2snn.suggest(dqn, seen, 0.9, recipes=("rate",))
    assert dqn2snn.diagnose(dqn, snn, seen)
    assert dqn2snn.aggregate(dqn, seen, num_steps=4, rounds=1, **short)
    frames = dqn2snn.record_video(dqn, snn, tmp_path / "play.gif", max_episode_steps=3)
    assert frames is not None
    about = {name: dqn.config[name] for name in ("training", "evaluation")}
    saved = zoo.save_agent(tmp_path / "agent", dqn, **about)
    assert (saved.name, saved.env_id, saved.observation_shape) == (dqn.name, dqn.env_id, (4,))
    assert torch.equal(saved(seen), load_q_network(tmp_path / "agent")(seen))
    assert torch.equal(saved(seen), dqn(seen))


def test_convert_gives_the_plan_of_the_bare_module(dqn: QNetwork) -> None:
    seen = agents.observations(NAME)
    bare, wrapped = (dqn2snn.convert(each, seen, num_steps=16) for each in (dqn.module, dqn))
    assert [layer.name for layer in wrapped.plan.all_layers] == ["0", "2", "4"]
    assert torch.equal(wrapped(seen), bare(seen))
