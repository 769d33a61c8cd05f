"""The command line: what it prints, what it refuses and how, and that it answers for help at once."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import dqn2snn
from dqn2snn import zoo
from dqn2snn.analysis.hardware import footprint
from dqn2snn.cli import _arguments, main
from dqn2snn.engine.registry import AUTO, ENGINES
from dqn2snn.neurons.backends import BACKENDS
from dqn2snn.plan.file import load_plan, plan_bytes
from dqn2snn.play.study import fresh_rollout, study_agreement
from dqn2snn.recipes import names_of

ROOT = Path(__file__).parents[2]
COMMANDS = ("demo", "suggest", "convert", "agree", "diagnose", "evaluate", "bench", "info")
SMALL = ["--steps", "32", "--observations", "200"]


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "cartpole.safetensors"
    assert main(["convert", "cartpole", *SMALL, "-o", str(path)]) == 0
    return path


def run_json(capsys: pytest.CaptureFixture[str], *argv: object) -> dict[str, Any]:
    """Standard output of a command, which has to be JSON from the first character to the last."""
    assert main([*map(str, argv), "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    return data


def run_process(*argv: object, before: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    code = f"{before}\nimport sys\nfrom dqn2snn.cli import main\nsys.exit(main({[*map(str, argv)]!r}))"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, **options
    )


# What they say


def test_convert_tells_of_the_layers_and_writes_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = run_json(capsys, "convert", "cartpole", *SMALL)
    assert data["output"] == "cartpole.safetensors"
    plan = load_plan(tmp_path / "cartpole.safetensors")
    assert [layer["neurons"] for layer in data["layers"]] == [64, 64, 2]
    assert (data["recipe"], data["num_steps"], data["calibration"]["threshold"]) == (
        "rate+ridge",
        32,
        "auto",
    )
    assert all(0 < rate < 1 for rate in data["firing_rates"].values())
    assert main(["convert", "cartpole", *SMALL, "-o", "again.safetensors"]) == 0
    assert (tmp_path / "again.safetensors").read_bytes() == plan_bytes(plan)
    text = capsys.readouterr().out
    assert text.splitlines()[0] == plan.headline
    assert "silent %" in text
    assert "Saved again.safetensors" in text


def test_few_weight_bits_reach_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.safetensors"
    run_json(capsys, "convert", "cartpole", *SMALL, "--weight-bits", "4", "-o", path)
    plan = load_plan(path)
    assert plan.report["quantization"]["samples"] == 200
    assert all((layer.weight_bits or 9) <= 4 for layer in footprint(plan).layers)
    assert main(["convert", "cartpole", *SMALL, "--weight-bits", "99"]) != 0
    assert "Expected whole bits of a weight from 2 to 16. Found 99" in capsys.readouterr().err


def test_the_options_of_a_conversion_reach_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--recipe",
        "rueckauer2017:percentile=99",
        "--grid",
        "none",
        "--backend",
        "norse",
        "--seed",
        "3",
    ]
    path = tmp_path / "plan.safetensors"
    data = run_json(capsys, "convert", "cartpole", *SMALL, *options, "-o", path)
    agent = dqn2snn.load_q_network("cartpole")
    observations = dqn2snn.collect_observations(agent, 200, seed=3)
    expected = dqn2snn.convert(
        agent, observations, recipe="rueckauer2017:percentile=99", grid=None, num_steps=32
    ).plan
    assert path.read_bytes() == plan_bytes(expected)
    assert data["backend"] == "norse"
    assert data["input_bits"] is None


def test_agree_gives_what_the_library_gives(
    plan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "agreement.png"
    small = ["--test-observations", 150, "--test-episodes", 4, "--plot", picture]
    data = run_json(capsys, "agree", "cartpole", "--plan", plan_file, *small)
    agent = dqn2snn.load_q_network("cartpole")
    rollout = fresh_rollout(agent, 150, seed=0, min_episodes=4)
    study = study_agreement(dqn2snn.SpikingQNetwork(load_plan(plan_file)), rollout)
    assert {key: data[key] for key in study.to_dict()} == study.to_dict()
    assert data["curve"]["num_steps"] == [1, 2, 4, 8, 16, 32]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agreement.png"]
    assert main(["agree", "cartpole", "--plan", str(plan_file), *map(str, small), "--steps", "8"]) == 0
    text = capsys.readouterr().out
    rows = [line.split()[0] for line in text.splitlines() if line[:1].isdigit()][1:]
    assert rows == ["steps", "1", "2", "4", "8"][1:]
    assert f"{study.curve.spike_count[2]}" in text


def test_evaluate_gives_what_the_library_gives(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--episodes", 3, "--epsilon", 0.2, "--seed", 7, "--max-episode-steps", 60]
    agent = dqn2snn.load_q_network("cartpole")
    for driver in ("snn", "dqn"):
        data = run_json(capsys, "evaluate", "cartpole", "--plan", plan_file, *options, "--driver", driver)
        expected = dqn2snn.compare_policies(
            agent,
            dqn2snn.SpikingQNetwork(load_plan(plan_file)),
            episodes=3,
            epsilon=0.2,
            seed=7,
            max_episode_steps=60,
            driver=driver,
        )
        assert {key: data[key] for key in expected.to_dict()} == expected.to_dict()
    assert main(["evaluate", "cartpole", "--plan", str(plan_file), *map(str, options)]) == 0
    text = capsys.readouterr().out
    assert "3 episodes each, the same seeds from 7, epsilon 0.2" in text
    assert f"SNN minus DQN, paired    {expected.difference}" in text


def test_evaluate_converts_where_no_plan_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "evaluate", "cartpole", *SMALL, "--episodes", 2, "--max-episode-steps", 20)
    assert data["num_steps"] == 32
    assert data["snn"]["lengths"] == [20, 20]


@pytest.mark.parametrize("engine", ["modules", "reference"])
@pytest.mark.parametrize("backend", ["snntorch", "norse"])
def test_every_engine_and_backend_agrees_alike(
    plan_file: Path, backend: str, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--plan", plan_file, "--test-observations", 40, "--test-episodes", 2, "--steps", 16]
    expected = run_json(capsys, "agree", "cartpole", *small)
    found = run_json(capsys, "agree", "cartpole", *small, "--backend", backend, "--engine", engine)
    assert (found.pop("backend"), found.pop("engine")) == (backend, engine)
    assert found["curve"] == expected["curve"]
    assert found["operations"] == expected["operations"]


def test_info_tells_of_versions_recipes_and_agents(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "info")
    assert data["packages"]["torch"] == torch.__version__
    assert data["backends"]["snntorch"] is True
    assert data["dqn2snn"] == dqn2snn.__version__
    assert tuple(data["agents"]) == (*zoo.names(), *zoo.atari_names())
    assert "AAAI 2021" in data["recipes"]["tan2021"]
    assert "IJCNN 2015" in data["recipes"]["diehl2015"]
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    listed = (*zoo.names(), *names_of("rule", "correction", "finetuning"), AUTO, *ENGINES, "IJCNN 2015")
    assert all(name in text for name in listed)


def test_info_tells_of_a_plan(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(plan_file)]) == 0
    assert load_plan(plan_file).summary() in capsys.readouterr().out
    assert run_json(capsys, "info", plan_file)["reference"].startswith("Li et al., ICML 2021")


def test_an_agent_may_be_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(shipped("cartpole"), tmp_path / "mine")
    output = tmp_path / "plan.safetensors"
    assert run_json(capsys, "convert", tmp_path / "mine", *SMALL, "-o", output)["agent"] == "cartpole"
    assert output.exists()


def test_the_names_that_help_lists_are_those_of_the_library() -> None:
    assert names_of("rule") == _arguments.RECIPES
    assert tuple(BACKENDS) == _arguments.BACKENDS


# Help


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_answers_without_heavy_imports(argv: list[str]) -> None:
    probe = """
import atexit, sys, time
atexit.register(lambda: print([m for m in ("torch", "numpy", "gymnasium", "matplotlib") if m in sys.modules],
                              time.process_time() < 1.0, file=sys.stderr))
"""
    done = run_process(*argv, before=probe)
    assert (done.returncode, done.stderr) == (0, "[] True\n")
    assert "dqn2snn" in done.stdout


def test_an_unknown_recipe_is_refused_without_heavy_imports() -> None:
    probe = """
import atexit, sys
atexit.register(lambda: print([m for m in ("torch", "numpy", "gymnasium") if m in sys.modules]))
"""
    done = run_process("convert", "cartpole", "--recipe", "tan2020:percentile=99+ridge", before=probe)
    assert (done.returncode, done.stdout) == (2, "[]\n")
    assert "Did you mean 'tan2021'?" in done.stderr


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as left:
            main([command, "--help"])
        assert left.value.code == 0
        assert "--json" in capsys.readouterr().out


# Refusals


def shipped(name: str) -> Path:
    return Path(zoo.__file__).parent / "agents" / name


def write_broken(folder: Path, plan: Path) -> None:
    """Files and directories that are not what they should be."""
    content = plan.read_bytes()
    (folder / "truncated.safetensors").write_bytes(content[: len(content) // 2])
    (folder / "text.safetensors").write_text("not a plan")
    (folder / "empty").mkdir()
    shutil.copytree(shipped("cartpole"), folder / "nan")
    weights = load_file(folder / "nan" / "weights.safetensors")
    weights["2.weight"][3, 3] = math.nan
    save_file(weights, folder / "nan" / "weights.safetensors")
    config = json.loads((folder / "nan" / "config.json").read_text())
    config["weights_sha256"] = hashlib.sha256(
        (folder / "nan" / "weights.safetensors").read_bytes()
    ).hexdigest()
    (folder / "nan" / "config.json").write_text(json.dumps(config))


REFUSED = {
    "": "arguments are required: COMMAND",
    "transmogrify": "invalid choice: 'transmogrify'",
    "convert": "arguments are required: AGENT",
    "convert chess": "Found 'chess'",
    "convert empty": "Expected one checkpoint",
    "convert nan": "Expected finite weights. Found NaN or infinity in '2.weight'",
    "convert cartpole --steps 0": "--steps/--num-steps: expected a whole number above 0. Found '0'",
    "convert cartpole --steps 1.5": "Found '1.5'",
    "convert cartpole --recipe tan2020": "Did you mean 'tan2021'?",
    "convert cartpole --recipe burst:max_spike=4": "Expected an option of burst out of max_spikes, ",
    "convert cartpole --recipe burst:max_spikes=four": "Expected max_spikes of burst to be a whole number",
    "convert cartpole --recipe rate+rigde": "Did you mean 'ridge'?",
    "convert cartpole --recipe rate:num_steps=4": "Pass num_steps= to convert, or --steps",
    "convert cartpole --backend brian2": "invalid choice: 'brian2'",
    "convert cartpole --recipe tan2021:percentile=0": "Expected a percentile in (1, 100]. Found 0.0",
    "convert cartpole --recipe rate:threshold=0.999": "Did you mean 99.9?",
    "convert cartpole --recipe tan2021:percentile=nan": "Found 'nan'",
    "convert cartpole --grid fine": "expected auto, none or a number of fraction bits. Found 'fine'",
    "convert cartpole --observations 0": "Found '0'",
    "convert cartpole --seed -1": "Found '-1'",
    "convert cartpole --output empty": "Found the directory 'empty'",
    "convert cartpole --output no/such/plan": "Found 'no/such/plan'",
    "convert cartpole --recipe diehl2015:percentile=99": "Expected no options of diehl2015",
    "convert cartpole --target-agreement 99": "Found '99'",
    "convert cartpole --target-agreement 1": "expected an agreement in (0, 1). Found '1'",
    "convert cartpole --target-agreement 0.9 --steps 8": "Expected --steps or --target-agreement. Found both",
    "suggest cartpole --target-agreement 1": "expected an agreement in (0, 1). Found '1'",
    "suggest chess": "Found 'chess'",
    "diagnose cartpole --plan PLAN --recipe rate+ridge": "Expected --plan or --recipe. Found both",
    "diagnose cartpole --plan PLAN --plot picture.xyz": "Found 'picture.xyz'",
    "agree cartpole --plan missing.safetensors": "No such file",
    "agree cartpole --plan truncated.safetensors": "truncated",
    "agree cartpole --plan text.safetensors": "text.safetensors",
    "agree acrobot --plan PLAN": "Found (4,) and 2 in",
    "agree cartpole --plan PLAN --recipe tan2021": "Expected --plan or --recipe. Found both",
    "agree cartpole --plan PLAN --steps 33": "Found 33",
    "agree cartpole --plan PLAN --plot picture.xyz": "Found 'picture.xyz'",
    "agree cartpole --plan PLAN --plot no/picture.png": "Found 'no/picture.png'",
    "agree cartpole --plan PLAN --engine warp": "Found 'warp'",
    "agree cartpole --plan PLAN --test-obs 5": "unrecognized arguments: --test-obs 5",
    "evaluate cartpole --plan PLAN --episodes 0": "Found '0'",
    "evaluate cartpole --plan PLAN --epsilon 1.5": "expected a probability in [0, 1]. Found '1.5'",
    "evaluate cartpole --plan PLAN --driver me": "invalid choice: 'me'",
    "info truncated.safetensors": "truncated",
    "info empty": "Is a directory",
    "info cartpole": "Run: dqn2snn convert cartpole",
    "demo --agents chess": "Found 'chess'",
    "demo --output text.safetensors": "Found the file 'text.safetensors'",
}


@pytest.mark.parametrize("line", REFUSED)
def test_bad_input_is_refused_in_one_line(
    line: str,
    plan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_broken(tmp_path, plan_file)
    before = sorted(tmp_path.rglob("*"))
    assert main(line.replace("PLAN", str(plan_file)).split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("dqn2snn: error: ")
    assert printed.err.count("\n") == 1
    assert REFUSED[line] in printed.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_that_cannot_be_written_is_one_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x" * 300  # longer than file systems allow, whoever runs this
    assert main(["convert", "cartpole", *SMALL, "-o", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith("dqn2snn: error: File name too long")


@pytest.mark.parametrize(
    ("blocked", "line", "extra"),
    [
        ("norse", "convert cartpole --backend norse", "norse"),
        ("gymnasium", "demo --agents cartpole", "gym"),
        ("matplotlib", "agree cartpole --plot picture.png", "plot"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line(blocked: str, line: str, extra: str) -> None:
    uninstalled = f"""
import sys
class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name == {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Uninstalled())
"""
    done = run_process(*line.split(), before=uninstalled)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'dqn2snn: error: {blocked} is not installed. Run: pip install "dqn2snn[{extra}]"\n'


# Interruptions


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """A shell starts its background jobs deaf to Ctrl-C, which children inherit unless their parent has a handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_ends_in_one_line_and_leaves_nothing(tmp_path: Path, heeded_ctrl_c: None) -> None:
    command = [
        sys.executable,
        "-m",
        "dqn2snn.cli",
        "demo",
        "--agents",
        "cartpole",
        "--output",
        str(tmp_path / "out"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "[1/1] cartpole: CartPole-v1\n"
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=60)
    assert (process.returncode, printed, told) == (130, "", "dqn2snn: interrupted\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="pipes break otherwise elsewhere")
def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    command = [sys.executable, "-m", "dqn2snn.cli", "info"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
