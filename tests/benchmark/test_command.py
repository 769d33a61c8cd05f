"""`dqn2snn bench`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dqn2snn import load_q_network, zoo
from dqn2snn.benchmark import Settings, _store, references_of, run
from dqn2snn.benchmark._report import FILES
from dqn2snn.benchmark._results import FILE
from dqn2snn.benchmark._spread import BACKENDS, spreading
from dqn2snn.cli import bench, main
from dqn2snn.errors import ArgumentError, CheckpointError
from tests.benchmark.subjects import CONDITIONS

ROOT = Path(__file__).parents[2]
SMALL = shlex.split(
    "bench --agents cartpole --steps 2 --episodes 2 --observations 200 --max-episode-steps 12 --output"
)
SETTINGS = Settings(agents=("cartpole",), num_steps=(2,), episodes=2, conditions=CONDITIONS)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bench")
    assert main([*SMALL, str(directory)]) == 0
    return directory


@pytest.fixture
def copy(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "copy"))


def test_it_writes_lines_tables_and_pictures(played: Path) -> None:
    assert {*FILES, FILE, "plans"} <= {path.name for path in played.iterdir()}
    assert len((played / FILE).read_bytes().splitlines()) == 1 + 4


@pytest.mark.parametrize(("jobs", "shown"), [(1, True), (2, False)])
def test_on_a_terminal_one_process_counts_the_steps_of_a_game(
    jobs: int,
    shown: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("dqn2snn._utils.progress._DELAY", 0.0)  # these games are short
    assert main([*SMALL, str(tmp_path), "--jobs", str(jobs)]) == 0
    printed = capsys.readouterr().err
    assert "play: 100%" in printed
    assert ("cartpole DQN seed=0: 0step" in printed) is shown


def test_only_the_report_plays_nothing(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in FILES:
        (copy / name).unlink()
    content = (copy / FILE).read_bytes()
    assert main(["bench", "--report-only", "--json", "--output", str(copy)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((copy / "report.json").read_text(encoding="utf-8"))
    assert [game["episodes"] for game in printed["games"]] == [2]
    assert (copy / FILE).read_bytes() == content


def test_references_are_those_of_the_games_that_have_them() -> None:
    atari = set(zoo.atari_names()) & {"RoadRunner"}
    assert references_of({"cartpole", *atari}) == dict.fromkeys(atari, (11.5, 7845.0))
    assert zoo.reference_of("RoadRunnerNoFrameskip-v4") == (11.5, 7845.0)


def test_a_recipe_that_does_not_apply_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*SMALL, str(tmp_path), "--recipes", "bu2022", "--percentiles", "99"]
    for _ in range(2):
        assert main(arguments) == 0
        assert (
            "No cartpole bu2022 T=2 percentile=99 seed=0: Expected no percentile" in capsys.readouterr().out
        )
    assert (tmp_path / FILE).read_text(encoding="utf-8").count("refused") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--agents", "chess"], "the name of an agent: acrobot"),
        (["--recipes", "tan2020"], "recipe out of"),
        (["--recipes", "rate+magic"], "a fine-tuning out of"),
        (["--steps", "0"], "above 0"),
        (["--steps", "2", "2"], "Name each once"),
        (["--percentiles", "0.999"], "Did you mean 99.9"),
        (["--percentiles", "most"], "or own"),
        (["--seeds", "1001"], "seeds >= 0 and <= 1000"),
        (["--backend", "threads"], "invalid choice"),
        (["--cluster", "tcp://127.0.0.1:1"], "backend dask or ray"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, str(tmp_path), *arguments]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "plans").exists()


def test_a_file_in_place_of_the_directory_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").write_text("years of work")
    for place in (tmp_path / "thesis", tmp_path / "thesis" / "inside"):
        assert main([*SMALL, str(place)]) == 2
        assert "Expected a directory to write to" in capsys.readouterr().err
    assert (tmp_path / "thesis").read_text() == "years of work"


def test_other_conditions_are_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (copy / FILE).read_bytes()
    assert main([*SMALL, str(copy), "--epsilon", "0.1"]) == 2
    error = capsys.readouterr().err
    assert "same conditions" in error
    assert '"epsilon": 0.1' in error
    assert (copy / FILE).read_bytes() == content


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b'"kind": "benchmark"', b'"kind": "table"', "same conditions"),
        (b'"format_version": 2', b'"format_version": 3', "same conditions"),
        (b'"return": ', b'"return": ,', "a benchmark of dqn2snn"),
        (b'"episode": 1', b'"episode": 0', "every episode once"),
        (b'"episode": 1', b'"number": 1', "without a right 'episode'"),
        (b'"agreed": ', b'"agree": ', "without a right 'agreed'"),
        (b'"length": 1', b'"length": NaN, "steps": 1', "without a right 'length'"),
        (b'"weights": "', b'"weights": "f', "The agent has changed"),
    ],
)
def test_a_corrupt_file_is_refused_and_left_alone(copy: Path, old: bytes, new: bytes, expected: str) -> None:
    corrupt = (copy / FILE).read_bytes().replace(old, new)
    assert corrupt != (copy / FILE).read_bytes()
    (copy / FILE).write_bytes(corrupt)
    with pytest.raises(CheckpointError, match=expected):
        run(SETTINGS, copy, progress=False)
    assert (copy / FILE).read_bytes() == corrupt


def test_a_directory_without_a_benchmark_has_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--report-only", "--output", str(tmp_path)]) == 2
    assert "Expected a benchmark of dqn2snn" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="needs fcntl")
def test_two_runs_do_not_write_one_file(copy: Path) -> None:
    with _store.only_writer(copy / FILE), pytest.raises(CheckpointError, match="Expected to be alone"):
        run(SETTINGS, copy, progress=False)
    run(SETTINGS, copy, progress=False)


def test_a_plan_that_is_damaged_costs_its_own_episodes_only(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (plan,) = (copy / "plans").iterdir()
    plan.write_bytes(plan.read_bytes()[:100])
    assert main([*SMALL, str(copy), "--episodes", "3"]) == 2
    error = capsys.readouterr().err
    assert "cartpole rate T=2 seed=0" in error
    assert str(plan) in error
    assert len((copy / FILE).read_bytes().splitlines()) == 1 + 4 + 1  # the DQN's third


def test_a_checkpoint_plays_too_if_its_name_tells_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_q_network("cartpole")
    for name, status in (("dqn.pt", 2), ("CartPole-v1.pt", 0)):
        torch.save(network.state_dict(), tmp_path / name)
        command = ["bench", "--agents", str(tmp_path / name), *SMALL[3:]]
        assert main([*command, str(tmp_path / "out")]) == status
        assert ("Expected agents whose environment is known" in capsys.readouterr().err) == (status == 2)


def test_names_are_those_of_the_library() -> None:
    assert bench.BACKENDS == BACKENDS
    with pytest.raises(ArgumentError, match="loky, dask, ray"), spreading(2, "threading"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    command = [sys.executable, "-m", "dqn2snn.cli", *SMALL, str(tmp_path), "--episodes", "2000"]
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
            path, start = tmp_path / FILE, time.monotonic()
            while time.monotonic() - start < 300 and not (
                path.exists() and b'"episode": 2,' in path.read_bytes()
            ):
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.returncode == 130
    assert told.endswith(
        "finished episodes are kept; the same command goes on from here\ndqn2snn: interrupted\n"
    )
    assert (tmp_path / FILE).read_bytes().endswith(b"}\n")
