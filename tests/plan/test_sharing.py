"""Sharing networks: round trips bit by bit, model cards that say what was measured, and files that are refused."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import dqn2snn
from dqn2snn import SpikingQNetwork
from dqn2snn.errors import ArgumentError, CheckpointError, MissingExtraError
from dqn2snn.plan.file import plan_bytes
from dqn2snn.play.evaluate import Comparison
from tests import agents

NAME = "cartpole"


@cache
def spiking(recipe: str = "rate") -> dqn2snn.SpikingQNetwork:
    agent = agents.agent(NAME)
    return dqn2snn.convert(agent, agents.observations(NAME), recipe=recipe, num_steps=8)


@cache
def comparison() -> Comparison:
    agent = agents.agent(NAME)
    return dqn2snn.compare_policies(
        agent, spiking(), episodes=4, seed=7, max_episode_steps=60, progress=False
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return spiking().save_pretrained(tmp_path / "cart", comparison=comparison(), license="mit")


def test_where_it_plays_comes_from_the_dqn_and_stays(saved: Path) -> None:
    assert spiking().env_id == "CartPole-v1"
    assert SpikingQNetwork(spiking()).env_id == "CartPole-v1"
    assert SpikingQNetwork(spiking().plan).env_id == ""
    bare = dqn2snn.convert(agents.agent(NAME).module, agents.observations(NAME), num_steps=8)
    assert (bare.env_id, bare.config) == ("", {})


@pytest.mark.parametrize("recipe", ["rate", "sigma_delta", "tan2021"])
@pytest.mark.parametrize("backend", ["snntorch", "norse"])
def test_a_network_comes_back_bit_by_bit(recipe: str, backend: str, tmp_path: Path) -> None:
    pytest.importorskip(backend)
    snn = dqn2snn.SpikingQNetwork(spiking(recipe).plan, backend)
    again = SpikingQNetwork.from_pretrained(snn.save_pretrained(tmp_path))
    assert plan_bytes(again.plan) == plan_bytes(snn.plan)
    assert (again.backend, again.env_id) == (backend, "")
    seen = agents.observations(NAME)[:50]
    assert torch.equal(again(seen), snn(seen))


def test_what_is_known_comes_with_it(saved: Path) -> None:
    found = SpikingQNetwork.from_pretrained(str(saved))
    assert found.env_id == "CartPole-v1"
    assert found.config["comparison"] == json.loads(json.dumps(comparison().to_dict()))
    assert found.config["versions"]["torch"] == torch.__version__
    other = SpikingQNetwork.from_pretrained(saved, backend="snntorch")
    assert other.backend == "snntorch"


def test_comparison_and_licence_stay_when_it_is_saved_again(saved: Path, tmp_path: Path) -> None:
    found = dqn2snn.SpikingQNetwork.from_pretrained(saved)
    again = found.save_pretrained(tmp_path / "again")
    for name in ("config.json", "README.md", "plan.safetensors"):
        assert (again / name).read_bytes() == (saved / name).read_bytes()
    assert (
        "license: apache-2.0"
        in (found.save_pretrained(again, license="apache-2.0") / "README.md").read_text()
    )


def test_the_card_says_what_was_measured(saved: Path) -> None:
    card = (saved / "README.md").read_text(encoding="utf-8")
    _, header, body = card.split("---\n", 2)
    described = pytest.importorskip("yaml", reason="comes with the extra hub").safe_load(header)
    metrics = {each["type"]: each["value"] for each in described["model-index"][0]["results"][0]["metrics"]}
    assert described["library_name"] == "dqn2snn"
    assert described["license"] == "mit"
    assert "CartPole-v1" in described["tags"]
    assert metrics["mean_reward"].startswith(f"{comparison().snn.interval.mean:.2f} +/- ")
    assert metrics["action_agreement"] == pytest.approx(comparison().agreement.mean, abs=1e-4)
    for words in (
        "The same 4 episodes of at most 60 steps",
        "seeds from 7",
        "`rate+ridge`",
        "| Time steps of a decision | 8 |",
    ):
        assert words in body
    plain = spiking().save_pretrained(saved.parent / "plain") / "README.md"
    assert "Beside its DQN" not in plain.read_text(encoding="utf-8")
    assert "model-index" not in plain.read_text(encoding="utf-8")


def test_the_hub_reads_the_card(saved: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the hub needs the extra hub")
    found = hub.ModelCard.load(saved / "README.md").data
    assert (found.library_name, found.license) == ("dqn2snn", "mit")
    rewards, agreement = found.eval_results
    assert (rewards.metric_type, rewards.dataset_name) == ("mean_reward", "CartPole-v1")
    assert agreement.metric_value == pytest.approx(comparison().agreement.mean, abs=1e-4)


def test_the_signatures_are_those_of_the_hub() -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the hub needs the extra hub")
    for name in ("save_pretrained", "from_pretrained", "push_to_hub"):
        ours, theirs = (inspect.signature(getattr(c, name)) for c in (SpikingQNetwork, hub.ModelHubMixin))
        positional = [p.name for p in ours.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == list(theirs.parameters)[: len(positional)]
        own = {"backend", "comparison", "license"}
        assert set(ours.parameters) - own <= {*theirs.parameters, "backend"}


def test_the_card_names_the_preprocessing_of_a_game(tmp_path: Path) -> None:
    env_id = "RoadRunnerNoFrameskip-v4"
    snn = SpikingQNetwork(spiking(), env=env_id)
    card = (snn.save_pretrained(tmp_path) / "README.md").read_text(encoding="utf-8")
    assert "84 x 84 grey pictures" in card


def test_saving_again_replaces_the_three_files_and_no_others(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    spiking("tan2021").save_pretrained(saved)
    assert sorted(path.name for path in saved.iterdir()) == [
        "README.md",
        "config.json",
        "notes.txt",
        "plan.safetensors",
    ]
    assert SpikingQNetwork.from_pretrained(saved).plan.recipe == "tan2021"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("config.json", lambda text: text[:40], "config.json"),
        (
            "config.json",
            lambda text: text.replace('"format_version": 1', '"format_version": 9'),
            "format_version 9",
        ),
        ("config.json", lambda text: text.replace('"snntorch"', '"tensorflow"', 1), "tensorflow"),
        ("config.json", lambda text: "[" * 100_000, "config.json"),
        ("config.json", lambda text: "[]", "config.json"),
        ("config.json", lambda text: text.replace('"plan_sha256": "', '"plan_sha256": "0'), "names"),
    ],
)
def test_a_damaged_directory_is_refused(saved: Path, name: str, change: object, words: str) -> None:
    assert callable(change)
    path = saved / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(CheckpointError, match=words):
        SpikingQNetwork.from_pretrained(saved)


def test_the_plan_of_another_network_is_refused(saved: Path, tmp_path: Path) -> None:
    other = spiking("tan2021").save_pretrained(tmp_path / "other")
    shutil.copy(other / "plan.safetensors", saved)
    with pytest.raises(CheckpointError, match="another one"):
        SpikingQNetwork.from_pretrained(saved)
    (saved / "plan.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="plan"):
        SpikingQNetwork.from_pretrained(saved)


def test_what_is_no_comparison_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Expected a Comparison of compare_policies, or None"):
        spiking().save_pretrained(tmp_path / "wrong", comparison={"agreement": 1.0})  # type: ignore[arg-type]
    assert not (tmp_path / "wrong").exists()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="can be written"):
        spiking().save_pretrained(tmp_path / "file")
    with pytest.raises(CheckpointError, match="Found"):
        SpikingQNetwork.from_pretrained(tmp_path / "nowhere")


def test_a_network_of_the_hub_is_read_from_its_cache(saved: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="the hub needs the extra hub")
    cached = tmp_path / "hub" / "models--somebody--spiking-cart"
    shutil.copytree(saved, cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    code = (
        "import dqn2snn; found = dqn2snn.SpikingQNetwork.from_pretrained('somebody/spiking-cart'); "
        "print(found.env_id, found.plan.num_steps)\n"
        "try: dqn2snn.SpikingQNetwork.from_pretrained('somebody/spiking-cart', revision='other')\n"
        "except dqn2snn.Dqn2SnnError as error: print(error)"
    )
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | offline, capture_output=True, text=True, check=False
    )
    first, second = done.stdout.splitlines()
    assert first == "CartPole-v1 8", done.stderr
    assert "Found none at 'somebody/spiking-cart'" in second


def test_publishing_without_a_network_says_so(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="the hub needs the extra hub")
    code = (
        "import dqn2snn, sys; snn = dqn2snn.SpikingQNetwork.from_pretrained(sys.argv[1])\n"
        "try: snn.push_to_hub('somebody/spiking-cart')\n"
        "except dqn2snn.Dqn2SnnError as error: print(error)"
    )
    directory = spiking().save_pretrained(tmp_path / "cart")
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_TOKEN": "hf_none"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Expected to publish at 'somebody/spiking-cart'" in done.stdout, done.stderr


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"dqn2snn\[hub\]"):
        spiking().push_to_hub("somebody/spiking-cart")
    with pytest.raises(MissingExtraError, match=r"dqn2snn\[hub\]"):
        SpikingQNetwork.from_pretrained("somebody/spiking-cart")
