"""Count how many neurons the event engine was compared on, and how many of them differed from the float64 reference.

    python -m tests.engine.tally --counts 100000000 --output tally.json

Sources of plain neurons: random geometries, the shipped agents on states that they visit, and networks of the Nature
DQN's shape on blocky frames. Random geometries once more with all kinds of neurons, and with networks that remember,
in a sequence of decisions. A neuron's net count of spikes in one decision is one comparison; but for the Nature DQN's
shape the trains are compared as well, spike by spike.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

import dqn2snn
from dqn2snn.dynamics.record import Record
from dqn2snn.engine import simulate_reference
from dqn2snn.engine.available import instruction_set
from dqn2snn.engine.event import EventNetwork, EventStream, refusal
from dqn2snn.engine.reference import advance_reference
from dqn2snn.engine.streaming import StateStream
from dqn2snn.network import SpikingQNetwork
from dqn2snn.plan import SpikingLayer, SpikingPlan
from tests import agents
from tests.engine.varied import carried, persistent, varied
from tests.engine.wide import STEPS, Change, WideCase, driven, wide_case

RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 1.0)
"""Borders of the classes of mean firing rates, by layer and case."""

Cases = Iterator[WideCase]

_DECISIONS = 8
"""Of a sequence."""


@dataclass
class Tally:
    """What was compared so far.

    Attributes:
        cases: Plans with observations.
        decisions: Observations.
        counts: Neurons of all decisions, each with its net number of spikes, and that of all it sent.
        spikes: Neurons of all decisions and steps, each with a spike or none.
        wrong_counts: Those of `counts` that differ.
        wrong_spikes: Those of `spikes` that differ.
        longest: The largest number of steps.
        rates: Neurons in layers with a mean rate between two neighbours of `RATES`, or above the last but one.
    """

    cases: int = 0
    decisions: int = 0
    counts: int = 0
    spikes: int = 0
    wrong_counts: int = 0
    wrong_spikes: int = 0
    longest: int = 0
    rates: list[int] = field(default_factory=lambda: [0] * (len(RATES) - 1))

    def add(self, case: WideCase, threads: int, trains: bool) -> None:
        """Simulate a case with both engines and compare."""
        self.cases += 1
        if case.plan.stateful:
            self._add_sequence(case, threads)
            return
        snn = SpikingQNetwork(case.plan, engine="event", num_threads=threads)
        actual = snn.record(case.observations, case.num_steps, spikes=trains)
        with torch.no_grad():
            expected = simulate_reference(case.plan, case.observations, case.num_steps, spikes=trains)
        self._compare(actual, expected)

    def _add_sequence(self, case: WideCase, threads: int) -> None:
        """Each environment sees the observations in turn, from another one on; episodes end at times of their own."""
        exact = case.plan.cast(torch.float64)
        reference = StateStream(exact, partial(advance_reference, exact))
        stream = EventStream(EventNetwork(case.plan), lambda: threads)
        rows = torch.arange(len(case.observations))
        for i in range(_DECISIONS):
            episode_start = (rows + i) % 5 == 0
            seen = case.observations.roll(-(i // 2), 0)  # every other time nothing has changed
            actual = stream.advance(seen, case.num_steps, rows, episode_start, spikes=True)
            with torch.no_grad():
                expected = reference.advance(seen, case.num_steps, rows, episode_start, spikes=True)
            self._compare(actual, expected)

    def _compare(self, actual: Record, expected: Record) -> None:
        self.decisions += expected.q.shape[1]
        self.longest = max(self.longest, expected.num_steps)
        for found, wanted, cost, right in zip(
            actual.counts, expected.counts, actual.sent, expected.sent, strict=True
        ):
            self.counts += wanted.numel()
            self.wrong_counts += int(((found != wanted) | (cost != right)).sum())
            rate = float(right.mean()) / expected.num_steps
            self.rates[max(i for i in range(len(self.rates)) if RATES[i] <= rate)] += wanted.numel()
        for train, right in zip(actual.spikes or (), expected.spikes or (), strict=True):
            self.spikes += right.numel()
            self.wrong_spikes += int((train != right).sum())


def geometries(random: Random, *changes: Change | None) -> Cases:
    """Random plans that the engine takes, with plain neurons or as the changes make them."""
    while True:
        case = wide_case(random, change=random.choice(changes))
        if case is not None and refusal(case.plan) is None:
            yield case


def shipped(random: Random) -> Cases:
    """The agents that come with the package, for any number of steps and observations."""
    while True:
        name = random.choice(agents.NAMES)
        start, batch = random.randrange(480), random.choice((1, 2, 3, 7, 16, 31, 33))
        observations = agents.observations(name)[start : start + batch]
        yield WideCase(agents.plan(name), observations, random.choice(STEPS))


def nature(random: Random) -> Cases:
    """Networks of the Nature DQN's shape, from nearly silent to busy."""
    while True:
        generator = torch.Generator().manual_seed(random.getrandbits(32))
        q_network = _nature_dqn(generator)
        plan = dqn2snn.convert(q_network, _frames(64, generator), recipe="tan2021", num_steps=64).plan
        for _ in range(4):
            drives = [random.choice((-0.3, -0.15, -0.05, 0.0, 0.1, 0.3, 0.5)) for _ in plan.all_layers]
            layers = [driven(layer, drive) for layer, drive in zip(plan.all_layers, drives, strict=True)]
            busy = replace(plan, layers=tuple(layers[:-1]), output=layers[-1])
            frames = _frames(random.choice((13, 32, 37)), generator)
            yield WideCase(on_its_grid(busy), frames, random.choice((5, 15, 16, 17, 33)))


def on_its_grid(plan: SpikingPlan) -> SpikingPlan:
    """The plan with its biases back on the grid of their layer."""
    return replace(
        plan,
        layers=tuple(_rounded(layer) for layer in plan.layers),
        output=_rounded(plan.output),
    )


def _rounded(layer: SpikingLayer) -> SpikingLayer:
    assert layer.fraction_bits is not None
    step = 2.0**-layer.fraction_bits
    affine = layer.affine
    return replace(
        layer, affine=affine.with_parameters(affine.weight, torch.round(affine.bias / step) * step)
    )


def _nature_dqn(generator: torch.Generator) -> nn.Sequential:
    q_network = nn.Sequential(
        nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 6),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in q_network.parameters():
            spread = 0.1 if parameter.ndim == 1 else (2 / parameter[0].numel()) ** 0.5
            parameter.normal_(std=spread, generator=generator)
    return nn.Sequential(_Bytes(), q_network)


class _Bytes(nn.Module):
    """Frames of bytes, as numbers in [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 255


def _frames(batch: int, generator: torch.Generator) -> Tensor:
    """Stacks of four frames in few colours, most of them empty: much repeats, as on a screen."""
    blocks = torch.randint(0, 256, (batch, 4, 21, 21), generator=generator, dtype=torch.uint8)
    blocks *= torch.rand(batch, 1, 21, 21, generator=generator) < 0.2
    return blocks.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)


SOURCES: dict[str, tuple[Callable[[Random], Cases], float, bool]] = {
    "random geometries": (lambda random: geometries(random, None), 0.1, True),
    "shipped agents": (shipped, 0.15, True),
    "Nature networks": (nature, 0.65, False),
    "other neurons": (lambda random: geometries(random, varied), 0.05, True),
    "networks that remember": (
        lambda random: geometries(random, persistent, persistent, carried),
        0.05,
        True,
    ),
}
"""Cases, their share of all counts, and whether trains are compared."""


def main() -> int:
    """Compare until there are enough counts; 1 if any differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=float, default=1e8, help="neurons to compare (1e8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args()
    tallies = {name: Tally() for name in SOURCES}
    for name, (cases, share, trains) in SOURCES.items():
        random = Random(args.seed)
        for case in cases(random):
            tallies[name].add(case, random.choice((1, 2)), trains)
            if tallies[name].counts >= share * args.counts:
                break
        sys.stdout.write(f"{name}: {tallies[name]}\n")
        sys.stdout.flush()
    wrong = sum(tally.wrong_counts + tally.wrong_spikes for tally in tallies.values())
    total = sum(tally.counts for tally in tallies.values())
    sys.stdout.write(f"{total:,} counts compared, {wrong} wrong, instruction set {instruction_set()}\n")
    if args.output:
        data = {
            "total_counts": total,
            "wrong": wrong,
            "instruction_set": instruction_set(),
            "rates": RATES,
            "sources": {name: asdict(tally) for name, tally in tallies.items()},
        }
        args.output.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
