"""Backends: the example package adds one by its entry point, which fires as the float64 reference does."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import dqn2snn
from dqn2snn.cli import main
from dqn2snn.errors import ArgumentError, CheckpointError, PlanError
from dqn2snn.neurons.backends import GROUP, Backend, backend_named, backend_names, native_network
from tests import agents
from tests.plugged import announce, plugged
from tests.properties import assert_same_q_values, assert_same_spikes

MODULE = "dqn2snn_backend_plugin"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example package, installed."""
    return plugged("backend_plugin", tmp_path / "site", monkeypatch)


def converted(name: str, recipe: str = "rate_if", backend: str = "plain_torch") -> dqn2snn.SpikingQNetwork:
    network, seen = agents.agent(name), agents.observations(name)
    return dqn2snn.convert(network, seen, recipe=recipe, num_steps=24, backend=backend, engine="modules")


@pytest.mark.parametrize("recipe", ["rate_if", "tan2021", "diehl2015"])
@pytest.mark.parametrize("name", ["cartpole", "minatar-breakout"])
def test_every_spike_is_that_of_the_reference(name: str, recipe: str, installed: Path) -> None:
    snn, seen = converted(name, recipe), agents.observations(name)[:33]
    assert type(snn.network).__module__ == MODULE
    expected = snn.record(seen, spikes=True, engine="reference")
    found = snn.record(seen, spikes=True)
    assert_same_spikes(found, expected)
    assert_same_q_values(found, expected)
    assert float(sum(count.sum() for count in expected.counts)) > 0
    assert found.spikes is not None
    assert torch.equal(snn.network(seen), found.spikes[-1].float())


def test_hard_resets_too(installed: Path) -> None:
    plan = converted("cartpole").plan
    hard = replace(plan, layers=tuple(replace(layer, reset="zero") for layer in plan.layers))
    snn, seen = dqn2snn.SpikingQNetwork(hard, "plain_torch"), agents.observations("cartpole")[:33]
    found, expected = (snn.record(seen, spikes=True, engine=engine) for engine in ("modules", "reference"))
    assert_same_spikes(found, expected)


def test_streams_start_from_any_state(installed: Path) -> None:
    plan = replace(converted("cartpole").plan, carry=0.5)
    snn, seen = dqn2snn.SpikingQNetwork(plan, "plain_torch"), agents.observations("cartpole")
    streams = [snn.stream(engine=engine) for engine in ("modules", "reference")]
    for batch in seen[:40].reshape(10, 4, 4):
        found, expected = (stream.record(batch, spikes=True) for stream in streams)
        assert_same_spikes(found, expected)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda snn: pickle.loads(pickle.dumps(snn))])
def test_it_survives_copies(
    twin: Callable[[dqn2snn.SpikingQNetwork], dqn2snn.SpikingQNetwork], installed: Path
) -> None:
    snn, seen = converted("cartpole"), agents.observations("cartpole")[:5]
    assert torch.equal(twin(snn)(seen), snn(seen))
    assert_same_spikes(twin(snn).double().record(seen, spikes=True), snn.record(seen, spikes=True))


def test_saved_networks_name_it(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = converted("cartpole").save_pretrained(tmp_path / "cart")
    load = dqn2snn.SpikingQNetwork.from_pretrained
    assert load(saved).backend == "plain_torch"
    for file in installed.glob("*.dist-info/*"):
        file.unlink()
    with pytest.raises(
        CheckpointError, match=r"asks for 'plain_torch'\. Install its package, or pass backend="
    ):
        load(saved)
    assert load(saved, backend="norse").backend == "norse"


def test_the_command_line_knows_it(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play = [
        "--episodes",
        "1",
        "--max-episode-steps",
        "5",
        "--observations",
        "100",
        "--recipe",
        "rate_if",
        "--steps",
        "8",
    ]
    engine = ["--backend", "plain_torch", "--engine", "modules"]
    assert main(["evaluate", "cartpole", *play, *engine, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backend"] == "plain_torch"
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backends"] == {
        "snntorch": True,
        "norse": True,
        "plain_torch": True,
    }


def test_neurons_that_it_lacks_are_refused(installed: Path) -> None:
    with pytest.raises(PlanError, match=r"recipe 'rate\+ridge'\. Use recipe=\"rate_if\""):
        converted("cartpole", "rate")


# What goes wrong


def test_without_the_package_it_is_unknown() -> None:
    for name in ("plain_torch", "", None, 3, ["norse"]):
        with pytest.raises(ArgumentError, match=r"Expected a backend out of snntorch, norse\. Found"):
            backend_named(name)  # type: ignore[arg-type]


def test_an_unknown_name_lists_those_of_packages(installed: Path) -> None:
    with pytest.raises(ArgumentError, match=r"out of snntorch, norse, plain_torch\. Found 'brian'\."):
        converted("cartpole", backend="brian")


@pytest.mark.parametrize("source", ["import no_such_module", "1 / 0", "BACKENDS = 1", "def BACKEND(:"])
def test_a_broken_package_is_named(source: str, installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed / f"{MODULE}.py").write_text(source)
    with pytest.raises(
        ArgumentError, match=rf"backend '{MODULE}:BACKEND', .* Found that it cannot be imported"
    ):
        converted("cartpole")
    assert backend_named("snntorch").build
    assert main(["info"]) == 0
    assert f"Expected the backend '{MODULE}:BACKEND'" in capsys.readouterr().out


def test_an_object_of_another_type_is_named(installed: Path) -> None:
    announce(installed, MODULE, GROUP, f"plain_torch = {MODULE}:SpikingNetwork")
    with pytest.raises(ArgumentError, match=rf"'{MODULE}:SpikingNetwork'.* Found an object of type type"):
        backend_named("plain_torch")


@pytest.mark.parametrize(("built", "found"), [(None, "NoneType"), (nn.ReLU(), "one without tensors")])
def test_a_backend_that_builds_something_else_is_refused(built: nn.Module, found: str) -> None:
    backend = Backend(build=lambda plan: built, adapt=backend_named("snntorch").adapt)
    with pytest.raises(ArgumentError, match=f"module with weights .* Found {found}"):
        native_network(agents.plan("cartpole"), backend)


def test_two_packages_with_one_name_are_at_odds(installed: Path) -> None:
    announce(installed, "another", GROUP, "plain_torch = another:BACKEND")
    with pytest.raises(
        ArgumentError, match=rf"one backend 'plain_torch'\. Found 2, .*'another:BACKEND', '{MODULE}:"
    ):
        backend_named("plain_torch")


def test_backends_of_the_package_are_not_taken_over(installed: Path) -> None:
    announce(installed, MODULE, GROUP, f"snntorch = {MODULE}:BACKEND")
    assert backend_names() == ("snntorch", "norse")
    assert backend_named("snntorch").build.__module__ == "dqn2snn.neurons.snntorch"
