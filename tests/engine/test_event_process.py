"""The event engine in a process: threads, forks, instruction sets, and the memory that it keeps."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor

from dqn2snn.engine.available import instruction_set
from dqn2snn.engine.event import EventNetwork, EventStream, refusal
from dqn2snn.network import SpikingQNetwork
from tests import agents
from tests.engine.compiled import needs_extension
from tests.engine.varied import carried, persistent, raw_plan, varied
from tests.engine.wide import wide_case
from tests.kinds import of_kind
from tests.properties import assert_same_spikes

pytestmark = needs_extension

FREEWAY = "minatar-freeway"


# Threads


def test_the_number_of_threads_changes_nothing() -> None:
    plan, observations = agents.plan(FREEWAY), agents.observations(FREEWAY)[:33]
    one, *others = (
        SpikingQNetwork(plan, num_threads=threads).record(observations, 64, spikes=True)
        for threads in (1, 2, 3, 8, 64)
    )
    for other in others:
        assert_same_spikes(other, one)
        assert torch.equal(other.q, one.q)


@pytest.mark.parametrize("shared", [True, False], ids=["one network", "a network each"])
def test_python_threads_simulate_at_once(shared: bool) -> None:
    networks = [SpikingQNetwork(agents.plan(FREEWAY), num_threads=2) for _ in range(1 if shared else 4)]
    observations = agents.observations(FREEWAY)
    parts = [observations[i : i + 13] for i in range(0, 520, 13)]

    def simulate(i: int) -> tuple[Tensor, Tensor]:
        snn = networks[i % len(networks)]
        return snn.record(parts[i], 40).q, snn.decide(parts[i], 40).q

    expected = [simulate(i) for i in range(len(parts))]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(simulate, range(len(parts))), expected, strict=True):
            assert torch.equal(found[0], wanted[0])
            assert torch.equal(found[1], wanted[1])


def test_a_fork_after_threads_still_decides() -> None:
    """Data loaders and vectorised environments fork; threads do not survive that."""
    code = """
import multiprocessing, torch
from dqn2snn import convert
from torch import nn
torch.manual_seed(0)
snn = convert(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.rand(20, 3), num_steps=8)
snn.num_threads = 2
x = torch.rand(6, 3)
expected = snn(x).tolist()
def work(_):
    return snn(x).tolist()
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(all(found == expected for found in pool.map(work, range(4))), snn.engine_in_use.name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["True", "event"]


# Instruction sets


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_every_instruction_set_gives_the_same_record(isa: str, tmp_path: Path) -> None:
    """The environment variable is read once, so each runs in a process of its own."""
    code = f"""
import torch
from dqn2snn.engine.available import instruction_set
from dqn2snn.errors import ArgumentError
try:
    print(instruction_set())
except ArgumentError as error:
    print(error)
    raise SystemExit
from tests.engine.test_event_process import everything
records = [everything(seed) for seed in range(8)]
torch.save(records, {str(tmp_path / "records.pt")!r})
"""
    environment = {**os.environ, "DQN2SNN_ISA": isa, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    if done.stdout.strip() != isa:
        assert done.stdout.startswith("Expected")
        pytest.skip(f"this processor has no {isa}")
    records = torch.load(tmp_path / "records.pt")
    for seed, found in enumerate(records):
        for mine, yours in zip(everything(seed), found, strict=True):
            assert torch.equal(mine, yours)


@cache
def everything(seed: int) -> list[Tensor]:
    """Records of a random geometry with plain neurons, with others, and of two decisions of networks that remember."""
    tensors: list[Tensor] = []
    for change in (None, varied, persistent, carried):
        case = wide_case(Random(seed), change=change)
        if case is None or refusal(case.plan) is not None:
            continue
        stream, rows = EventStream(EventNetwork(case.plan)), torch.arange(len(case.observations))
        episode_start = torch.zeros(len(rows), dtype=torch.bool)
        for observations in (case.observations, case.observations.flip(0)):
            record = stream.advance(observations, case.num_steps, rows, episode_start, spikes=True)
            tensors += [record.q, *record.counts, *record.sent, *(record.spikes or ())]
        record = SpikingQNetwork(case.plan, engine="event").record(
            case.observations, case.num_steps, spikes=True
        )
        tensors += [record.q, *record.counts, *record.sent, *(record.spikes or ())]
    return tensors


def test_the_best_instruction_set_is_used() -> None:
    if "DQN2SNN_ISA" not in os.environ:
        assert instruction_set() in ("portable", "avx2", "avx512")


# Memory


def resident() -> int:
    """Memory of this process, in kilobytes."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")
    gc.collect()
    return int(statm.read_text().split()[1]) * resource.getpagesize() // 1024


@pytest.mark.slow
def test_a_hundred_thousand_decisions_leave_nothing_behind() -> None:
    snn = SpikingQNetwork(agents.plan("cartpole"), num_threads=2)
    observations = agents.observations("cartpole")[:40]

    def run(decisions: int) -> int:
        for _ in range(decisions // 40):
            snn(observations, 4)
            snn.decide(observations, 4)
            snn.record(observations, 4, spikes=True)
        return resident()

    before = run(4_000)
    assert run(100_000) - before < 2_000


def test_preparing_again_and_again_leaves_nothing_behind() -> None:
    plan, observations = agents.plan(FREEWAY), agents.observations(FREEWAY)[:2]

    def run(times: int) -> int:
        for _ in range(times):
            SpikingQNetwork(plan).record(observations, 2)
        return resident()

    before = run(5)
    assert run(60) - before < 4_000  # a prepared network holds about half a megabyte


@pytest.mark.slow
def test_streams_leave_nothing_behind() -> None:
    """Neither decisions nor resets; states of environments go with their stream."""
    network = EventNetwork(of_kind("delta", raw_plan(FREEWAY, 5)))
    observations, rows = agents.observations(FREEWAY), torch.arange(20)
    episode_start = torch.zeros(20, dtype=torch.bool)

    def run(times: int) -> int:
        for i in range(times):
            stream = EventStream(network, lambda: 2)
            for part in observations[:100].split(20):
                stream.advance(part, 5, rows, episode_start, spikes=True)
            stream.reset()
            stream.q(observations[i : i + 20], 5, rows, episode_start)
        return resident()

    before = run(20)
    assert run(300) - before < 2_000
