from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dqn2snn import load_q_network
from dqn2snn.benchmark._store import append
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.metrics import action_agreement
from measuring.__main__ import main
from measuring.places import DOCS
from measuring.table.measure import measure
from measuring.table.picture import draw_agreement, draw_return, share_of_dqn
from measuring.table.report import MISSING, QUANTITIES, markdown, refusals, shown, text
from measuring.table.run import run
from measuring.table.settings import DQN, Cell, Conditions, Settings, cells
from measuring.table.store import Entries, begin, read
from measuring.table.subject import subject
from measuring.table.summary import judged, least_steps, reasons, shares, spikes_of_control

ROOT = Path(__file__).parents[2]

TINY = Settings(
    agents=("cartpole",),
    recipes=("tan2021", "sigma_delta"),
    num_steps=(2, 4),
    conditions=Conditions(episodes=2, calibration=300, window=40),
)
COMMAND = shlex.split("--agents cartpole --recipes tan2021 sigma_delta --steps 2 4 --episodes 2 --output")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.jsonl"
    _, broken = run(TINY, path, progress=False)
    assert not broken
    return path


@pytest.fixture(scope="module")
def entries(whole: Path) -> Entries:
    return read(whole)[1]


def test_every_cell_is_there_once_with_what_the_page_shows(entries: Entries) -> None:
    assert set(entries) == set(cells(TINY))
    dqn = entries[Cell("cartpole", DQN, 0)]
    assert dqn["play"]["returns"] == [500.0, 500.0]
    assert dqn["neurons"] == 128
    assert dqn["dqn_macs"] == 4 * 64 + 64 * 64 + 64 * 2
    for cell in set(entries) - {Cell("cartpole", DQN, 0)}:
        entry = entries[cell]
        assert entry["stateful"] == (cell.recipe == "sigma_delta")
        assert len(entry["play"]["returns"]) == 2
        for quantity in QUANTITIES:
            assert MISSING not in markdown(entries, "cartpole", quantity, TINY.num_steps)
        returned = entry["play"]["return"]["mean"]
        zero = dqn["random"]["return"]["mean"]
        assert share_of_dqn(entries, cell) == pytest.approx((returned - zero) / (500 - zero))


def test_held_out_states_are_of_other_episodes_and_are_each_judged_once(entries: Entries) -> None:
    who = subject("cartpole", TINY.conditions)
    seen = {tuple(state) for state in who.calibration.tolist()}
    held_out = who.held_out
    assert len(held_out.episodes) == 2 * 40
    assert not any(tuple(state) in seen for state in held_out.observations.tolist())
    torch.testing.assert_close(held_out.q, load_q_network("cartpole")(held_out.observations).detach())
    for in_order in (False, True):
        batches = list(held_out.batches(in_order))
        assert sum(len(batch.episodes) for batch in batches) == 80
        assert sum(int(batch.first.sum()) for batch in batches) == 2
    assert all(len(set(batch.episodes.tolist())) == 2 for batch in held_out.batches(in_order=True))
    for entry in entries.values():
        if entry["recipe"] != DQN:
            assert entry["held_out"]["agreement"]["count"] == 80


def test_agreement_is_that_of_the_converted_network(entries: Entries) -> None:
    import dqn2snn

    who = subject("cartpole", TINY.conditions)
    snn = dqn2snn.convert(who.agent, who.calibration, recipe="tan2021", num_steps=4)
    expected = action_agreement(who.held_out.q, snn(who.held_out.observations))
    assert entries[Cell("cartpole", "tan2021", 4)]["held_out"]["agreement"]["mean"] == pytest.approx(expected)
    sent = snn.record(who.held_out.observations[who.held_out.positions > 0]).sent[:-1]
    spikes = sum(float(layer.sum()) for layer in sent) / 78
    assert entries[Cell("cartpole", "tan2021", 4)]["held_out"]["spikes"] == pytest.approx(spikes)


def test_a_stateful_network_is_judged_in_the_order_of_its_episodes(entries: Entries) -> None:
    import dqn2snn

    who = subject("cartpole", TINY.conditions)
    snn = dqn2snn.convert(who.agent, who.calibration, recipe="sigma_delta", num_steps=2)
    hits = []
    for episode in range(2):
        stream = snn.stream()
        for place in (who.held_out.episodes == episode).nonzero().flatten():
            q = stream.step(who.held_out.observations[place][None])
            hits.append(int(q.argmax()) == int(who.held_out.q[place].argmax()))
    found = entries[Cell("cartpole", "sigma_delta", 2)]["held_out"]["agreement"]["mean"]
    assert found == pytest.approx(sum(hits) / len(hits))


def test_networks_need_not_play_to_be_judged(entries: Entries, tmp_path: Path) -> None:
    found, _ = run(replace(TINY, num_steps=(4,), play=False), tmp_path / "table.jsonl", progress=False)
    for recipe in TINY.recipes:
        cell = Cell("cartpole", recipe, 4)
        assert found[cell] == {key: value for key, value in entries[cell].items() if key != "play"}
        for quantity in QUANTITIES:
            there = quantity in ("agreement", "gap-weighted agreement", "regret")
            assert (shown(found[cell], quantity) == MISSING) is not there
    assert set(found[Cell("cartpole", DQN, 0)]) == {
        *Cell("cartpole", DQN, 0).key,
        "neurons",
        "dqn_macs",
        "held_out",
    }
    rows = judged(found, [("tan2021", 4), ("rate", 4)]).splitlines()
    assert rows[2].split("|")[3].strip() == shown(found[Cell("cartpole", "tan2021", 4)], "agreement")
    assert f"{found[Cell('cartpole', 'tan2021', 4)]['held_out']['spikes_per_neuron']:.2g} |" in rows[2]
    assert MISSING in rows[3]


def test_the_kept_table_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_bytes((ROOT / "docs" / "results" / "table" / "table.jsonl").read_bytes())
    assert set(cells(Settings())) <= set(begin(path, Settings().conditions))


@pytest.mark.parametrize("lines", [1, 3])
def test_a_table_that_was_cut_off_is_gone_on_with(whole: Path, tmp_path: Path, lines: int) -> None:
    content = whole.read_bytes()
    kept = content.splitlines(keepends=True)[:lines]
    path = tmp_path / "table.jsonl"
    path.write_bytes(b"".join(kept) + b'{"agent": "cartpole", "recip')
    run(TINY, path, progress=False)
    assert path.read_bytes() == content


def test_what_is_there_is_not_measured_again(whole: Path, tmp_path: Path) -> None:
    header, *lines = whole.read_text(encoding="utf-8").splitlines()
    marked = [json.dumps({**json.loads(line), "kept": True}) for line in lines]
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join([header, *marked]) + "\n", encoding="utf-8")
    found, _ = run(replace(TINY, num_steps=(2,)), path, progress=False)
    assert len(found) == len(lines)
    assert all(entry["kept"] for entry in found.values())


def test_a_killed_run_of_two_processes_goes_on_to_the_same_file(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    source = f"""
from pathlib import Path
from measuring.table.run import run
from measuring.table.settings import Conditions, Settings

run({TINY!r}, Path({str(path)!r}), jobs=2)
"""
    process = subprocess.Popen([sys.executable, "-c", source], stderr=subprocess.DEVNULL, cwd=DOCS)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") > 1:
            break
        time.sleep(0.01)
    process.kill()
    process.wait()
    *at_the_kill, _ = path.read_bytes().split(b"\n")
    assert len(at_the_kill) > 1
    run(TINY, path, progress=False)
    assert path.read_bytes() == whole.read_bytes()
    assert set(at_the_kill) <= set(whole.read_bytes().split(b"\n"))


def test_a_recipe_that_does_not_apply_says_why(tmp_path: Path) -> None:
    settings = replace(TINY, recipes=("tan2021",), num_steps=(2**24,))
    entry = measure(Cell("cartpole", "tan2021", 2**24), settings)
    assert "Expected" in entry["refused"]
    table = {Cell.of(entry): entry}
    assert refusals(table) == [(Cell("cartpole", "tan2021", 2**24), entry["refused"])]
    assert "n/a" in markdown(table, "cartpole", "agreement", (2**24,))
    path = tmp_path / "table.jsonl"
    begin(path, TINY.conditions)
    append(path, [entry])
    assert read(path) == (TINY.conditions, table)


def test_options_and_corrections_of_a_recipe_are_part_of_its_name() -> None:
    settings = replace(TINY, recipes=("sigma_delta:levels=1+none", "sigma_delta:levels=16+none"))
    coarse, fine = (
        measure(cell, settings) for cell in cells(replace(settings, num_steps=(2,))) if cell.num_steps
    )
    assert coarse["held_out"]["spikes"] < fine["held_out"]["spikes"]
    assert "Expected" in measure(Cell("cartpole", "sigma_delta:levels=0", 2), settings)["refused"]


def test_cells_that_are_not_there_are_shown_as_such(entries: Entries) -> None:
    page = markdown(entries, "cartpole", "return", (2, 500))
    assert page.count(MISSING) == 2
    assert "T = 500" in page


def test_the_terminal_shows_a_row_for_each_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], whole: Path
) -> None:
    (tmp_path / "table.jsonl").write_bytes(whole.read_bytes())
    assert "sigma_delta" in text(read(whole)[1])
    assert main(["table", *COMMAND, str(tmp_path)]) == 2  # 300 observations are other conditions than 5000
    assert "Choose another directory" in capsys.readouterr().err


def test_json_prints_the_lines_that_were_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = shlex.split("--agents cartpole --recipes tan2021 --steps 1 2 --episodes 2 --output")
    assert main(["table", *arguments, str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["table", *arguments, str(tmp_path), "--json", "--steps", "2"]) == 0
    header, *lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert header["protocol"]["episodes"] == 2
    assert [line["num_steps"] for line in lines] == [0, 2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--agents", "pong"], "agent out of"),
        (["--recipes", "tan2020"], "recipe out of"),
        (["--recipes", "rate+magic"], "a fine-tuning out of"),
        (["--recipes", "rate:fast"], "name=value"),
        (["--recipes", "rate:levels=3"], "option of rate out of"),
        (["--steps", "0"], "above 0"),
        (["--steps", "2", "2"], "Name each once"),
        (["--episodes", "1"], "two episodes"),
        (["--engine", "fast"], "invalid choice"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *arguments, "--output", str(tmp_path)]) == 2
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{}\n", "[]\n", "no json\n", '{"format_version": 2}\n'])
def test_another_file_is_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError):
        run(TINY, path, progress=False)
    assert path.read_text(encoding="utf-8") == content


def test_conditions_without_intervals_are_refused() -> None:
    with pytest.raises(ArgumentError, match="two episodes"):
        Conditions(episodes=1)


def test_pictures_are_drawn(entries: Entries, tmp_path: Path) -> None:
    draw_agreement(entries, tmp_path / "agreement.png")
    draw_return(entries, tmp_path / "return.png", ["tan2021", "sigma_delta"])
    assert all(path.stat().st_size > 5000 for path in tmp_path.glob("*.png"))


def scored(recipe: str, num_steps: int, mean: float, spikes: float = 1.0) -> dict[str, Any]:
    """A line with a return of `mean`."""
    found = {"mean": mean, "low": mean - 1.0, "high": mean + 1.0}
    play = {"return": found, "spikes_per_neuron": spikes}
    return {"agent": "cartpole", "recipe": recipe, "num_steps": num_steps, "play": play}


def table_of(*lines: dict[str, Any]) -> Entries:
    return {Cell.of(line): line for line in lines}


BASELINE = {**scored(DQN, 0, 101.0), "random": scored(DQN, 0, 1.0)["play"]}


def test_the_least_steps_are_those_of_the_first_return_inside_the_interval() -> None:
    table = table_of(BASELINE, scored("rate", 4, 99.9), scored("rate", 8, 100.0), scored("rate", 16, 102.0))
    assert least_steps(table, "cartpole", "rate") == Cell("cartpole", "rate", 8)
    assert least_steps(table, "cartpole", "burst") is None


def test_spikes_of_control_are_compared_at_the_same_return() -> None:
    lines = (
        scored("rate", 4, 50.0, 1.0),
        scored("rate", 8, 100.0, 4.0),
        scored("sigma_delta", 4, 101.0, 1.0),
    )
    row = spikes_of_control(table_of(BASELINE, *lines), ("sigma_delta",), 4).splitlines()[2]
    assert [part.strip() for part in row.split("|")][-2] == "0.25"
    alone = spikes_of_control(table_of(BASELINE, lines[2]), ("sigma_delta", "burst"), 4)
    assert "none" in alone
    assert MISSING in alone


def test_a_mean_over_agents_needs_all_of_them() -> None:
    table = table_of(BASELINE, scored("rate", 4, 51.0), {**scored("ttfs", 4, 0.0), "refused": "no"})
    del table[Cell("cartpole", "ttfs", 4)]["play"]
    assert shares(table, ("rate", "ttfs"), (4, 8), ("cartpole",)).splitlines()[2:] == [
        f"| rate | 50 | {MISSING} |",
        f"| ttfs | n/a | {MISSING} |",
    ]
    assert MISSING in shares(table, ("rate",), (4,), ("cartpole", "acrobot"))
    assert "`ttfs` T = 4: no" in reasons(table)
