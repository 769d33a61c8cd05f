"""The benchmark is killed, cut off, added to and spread, and has every episode once."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dqn2snn.benchmark import Settings, Unit, read, run
from dqn2snn.benchmark._network import plan_of, plan_path
from dqn2snn.benchmark._results import FILE
from dqn2snn.benchmark._settings import units
from dqn2snn.plan.file import plan_bytes
from tests.benchmark.subjects import LONG, SMALL, work

ROOT = Path(__file__).parents[2]

# What a run imports, so that most of its time is not spent on that.
PRELOADED = ["torch._dynamo", "gymnasium", "dqn2snn.conversion", "dqn2snn.benchmark._run"]

posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")


def complete(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def content_of(directory: Path) -> bytes:
    path = directory / FILE
    return complete(path.read_bytes()) if path.exists() else b""


def places(content: bytes) -> list[tuple[Unit, int]]:
    return [(Unit.of(entry), entry["episode"]) for entry in map(json.loads, content.splitlines()[1:])]


def wanted(settings: Settings) -> list[tuple[Unit, int]]:
    return [(unit, number) for unit in units(settings) for number in range(settings.episodes)]


def wait_for(directory: Path, lines: int, process: Any) -> None:
    start = time.monotonic()
    while content_of(directory).count(b"\n") < lines and time.monotonic() - start < 300:
        if (process.exitcode if hasattr(process, "exitcode") else process.poll()) is not None:
            return
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody killed."""
    directory = tmp_path_factory.mktemp("whole")
    _, broken = run(SMALL, directory, progress=False)
    assert not broken
    return directory


def test_every_episode_is_there_once_with_all_that_is_reported(whole: Path) -> None:
    assert places(content_of(whole)) == wanted(SMALL)
    for (unit, _), entry in read(whole).episodes.items():
        assert 0 < entry["return"] == entry["length"] <= 12  # of CartPole
        if unit.recipe == "dqn":
            assert "agreed" not in entry
        else:
            assert 0 <= entry["agreed"] <= entry["length"]
            assert 0 <= entry["agreed_spike_count"] <= entry["length"]
            # A spike of the first hidden layer has 64 synapses, one of the second has 2.
            assert 2 * entry["spikes"] <= entry["operations"] <= 64 * entry["spikes"]


def test_seeds_share_no_episode(whole: Path) -> None:
    spikes: dict[int, list[float]] = {0: [], 1: []}
    for (unit, _), entry in read(whole).episodes.items():
        if unit.recipe == "rate":
            spikes[unit.seed].append(entry["spikes"])
    assert len(spikes[0]) == len(spikes[1]) == 3
    assert spikes[0] != spikes[1]


def kill(directory: Path, rng: random.Random, context: multiprocessing.context.ForkServerContext) -> bool:
    """Begins or goes on with a run and kills it; False: on this machine it was faster than the signal."""
    before = content_of(directory)
    process = context.Process(target=work, args=(directory,))
    process.start()
    wait_for(directory, before.count(b"\n") + rng.randrange(5), process)
    time.sleep(rng.uniform(0, 0.02))
    process.kill()
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)
    assert content_of(directory).startswith(before)
    return process.exitcode != 0


@posix
def test_killed_twenty_times_it_loses_and_repeats_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    work(tmp_path / "unkilled")
    whole = (tmp_path / "unkilled" / FILE).read_bytes()
    assert places(whole) == wanted(LONG)
    # A run that ends before the twentieth signal is compared, and the signals go on with another.
    rng, kills, number = random.Random(0), 0, 0
    while kills < 20:
        if kill(tmp_path / str(number), rng, context):
            kills += 1
        else:
            assert (tmp_path / str(number) / FILE).read_bytes() == whole
            number += 1
        assert number < 20, "every run ends before it can be killed"
    work(tmp_path / str(number))
    assert (tmp_path / str(number) / FILE).read_bytes() == whole


@posix
def test_a_run_of_two_processes_is_killed_with_all_of_them_and_goes_on(whole: Path, tmp_path: Path) -> None:
    command = "bench --agents cartpole --recipes rate sigma_delta --steps 2 --seeds 0 1 --episodes 3 --jobs 2"
    command += f" --observations 200 --max-episode-steps 12 --output {tmp_path}"
    with subprocess.Popen(
        [sys.executable, "-m", "dqn2snn.cli", *command.split()], cwd=ROOT, start_new_session=True
    ) as process:
        wait_for(tmp_path, 3, process)
        os.killpg(process.pid, signal.SIGKILL)
    killed = content_of(tmp_path)
    assert places(killed)
    run(SMALL, tmp_path, progress=False)
    assert content_of(tmp_path).startswith(killed)
    assert sorted(content_of(tmp_path).splitlines()) == sorted(content_of(whole).splitlines())


@pytest.mark.parametrize("cut", [-1, -2, -60, -230])
def test_a_line_that_was_cut_off_is_written_again(whole: Path, tmp_path: Path, cut: int) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    content = (whole / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:cut])
    assert len(read(tmp_path).episodes) < len(wanted(SMALL))
    run(SMALL, tmp_path, progress=False)
    assert (tmp_path / FILE).read_bytes() == content


def test_more_of_anything_adds_to_what_is_there(whole: Path, tmp_path: Path) -> None:
    few = replace(SMALL, recipes=("rate",), seeds=(1,), episodes=1)
    run(few, tmp_path, progress=False)
    before = content_of(tmp_path)
    assert places(before) == wanted(few)
    run(replace(SMALL, batch=2), tmp_path, progress=False)
    assert content_of(tmp_path).startswith(before)
    assert sorted(content_of(tmp_path).splitlines()) == sorted(content_of(whole).splitlines())


def test_a_conversion_is_made_once(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "plans", tmp_path / "plans")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "plans").iterdir()}
    assert len(made) == 4
    run(SMALL, tmp_path, progress=False)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "plans").iterdir()} == made


def test_a_worker_that_cannot_write_converts_all_the_same(whole: Path, tmp_path: Path) -> None:
    unit = list(units(SMALL))[2]
    (tmp_path / "file").touch()
    plan = plan_of(unit, SMALL.conditions, tmp_path / "file")
    assert plan_bytes(plan) == plan_path(unit, SMALL.conditions, whole).read_bytes()


def test_two_processes_play_the_same_episodes(whole: Path, tmp_path: Path) -> None:
    run(SMALL, tmp_path, jobs=2, progress=False)
    assert sorted(content_of(tmp_path).splitlines()) == sorted(content_of(whole).splitlines())


@pytest.mark.slow
def test_two_workers_of_dask_play_the_same_episodes(whole: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=120)
        _, broken = run(
            SMALL, tmp_path, jobs=2, backend="dask", address=cluster.scheduler_address, progress=False
        )
    assert not broken
    assert sorted(content_of(tmp_path).splitlines()) == sorted(content_of(whole).splitlines())
