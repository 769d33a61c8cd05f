"""`python docs/measure.py minatar`: what spiking networks return in MinAtar in 1 to 6 steps.

Makes the networks of `minatar_networks` from the shipped agents, lets them play, and writes `DIR/GAME.jsonl`, a line
for each, beside the plans of those that were trained. What is there is not done again. `minatar.json` holds all that is
there, and each return as a share of the DQN's, random play being 0:

    share = (R - R_random) / (R_DQN - R_random).

A network whose Q-values never changed after step t is in the table for all T from t on.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, NamedTuple

from torch import Tensor
from tqdm.auto import tqdm

from dqn2snn._utils.arguments import Parser, positive_number
from dqn2snn._utils.table import format_table
from dqn2snn.benchmark._schedule import Task, carry_out
from dqn2snn.benchmark._spread import spreading
from dqn2snn.benchmark._store import Entry, append
from dqn2snn.io.checkpoints import QNetwork, load_q_network
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.file import load_plan, save_plan
from dqn2snn.play.evaluate import evaluate_policy
from dqn2snn.play.evaluate._policy import Protocol
from dqn2snn.play.policies import Places
from measuring.minatar_networks import NETWORKS, Training, made, spiking
from measuring.table.cost import Cost

__all__ = ["GAMES", "ROWS", "Row", "main", "summary", "table"]

EPISODES: Final = {"asterix": 600, "breakout": 600, "freeway": 200, "space_invaders": 600}
"""Of each game by default: in Freeway they are all alike, and long."""

GAMES: Final = tuple(EPISODES)


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        network: Its name in `NETWORKS`; "dqn" and "random" for those.
        num_steps: T; 0 for those.
    """

    network: str
    num_steps: int


ROWS: Final = (
    Row("dqn", 0),
    Row("random", 0),
    Row("graded", 6),
    Row("single-2", 2),
    Row("single-4", 4),
    Row("single-4", 6),
    Row("single-converted", 6),
)


def main(argv: Sequence[str]) -> int:
    """Measure what is missing and print the table.

    Args:
        argv: The arguments.

    Returns:
        int: The exit status: 0; 1 if something broke in a row, which is then missing.
    """
    args = _parser().parse_args(argv)
    rows = [row for row in ROWS if not args.rows or str(row.network) in args.rows]
    broken = []
    with spreading(1) as spread:
        for name in args.games:
            game = _Game(name, args.output, args.episodes or EPISODES[name], args.seed, Training())
            broken += carry_out(game.tasks(rows), game.keep, spread, name)
    found = {game: _read(args.output / f"{game}.jsonl") for game in GAMES}
    results = summary(found, args.seed)
    (args.output / "minatar.json").write_text(json.dumps(results) + "\n", encoding="utf-8")
    sys.stdout.write(format_table(*table(results)) + "\n")
    sys.stderr.writelines(f"{reason}\n" for reason in broken)
    return 1 if broken else 0


def _parser() -> Parser:
    parser = Parser(prog="python docs/measure.py minatar", description=__doc__, allow_abbrev=False)
    parser.add_argument("--games", nargs="+", choices=GAMES, default=GAMES, help="which (all)")
    parser.add_argument("--rows", nargs="+", metavar="NETWORK", help="names of networks (all)")
    parser.add_argument(
        "--episodes", type=positive_number, metavar="N", help="of each game (600, of Freeway 200)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the first episode (0)")
    parser.add_argument(
        "--output", type=Path, default=Path("minatar-output"), metavar="DIR", help="(minatar-output)"
    )
    return parser


class _Game:
    """One game, with what is known of it so far."""

    def __init__(self, game: str, output: Path, episodes: int, seed: int, training: Training) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self._agent: QNetwork = load_q_network(f"minatar-{game}")
        self._game, self._output, self._training = game, output, training
        self._episodes, self._seed = episodes, seed
        self._file = output / f"{game}.jsonl"

    def tasks(self, rows: Sequence[Row]) -> list[Task]:
        """The rows that are not in the file."""
        done = {_row(entry) for entry in _read(self._file)}
        return [
            Task(f"{row.network} T={row.num_steps}", self._row, (row,)) for row in rows if row not in done
        ]

    def keep(self, entries: list[Entry]) -> None:
        """Add rows to the file."""
        append(self._file, entries)

    def _row(self, row: Row) -> Iterator[Entry]:
        yield {**row._asdict(), **self._measured(row)}

    def _measured(self, row: Row) -> Entry:
        protocol = self._protocol()
        if row.network in ("dqn", "random"):
            chance = 1.0 if row.network == "random" else 0.0
            scores = evaluate_policy(
                self._agent, episodes=self._episodes, seed=self._seed, epsilon=chance, num_envs=self._episodes
            )
            return {"returns": scores.returns, "decisions": sum(scores.lengths)}
        snn = spiking(replace(self._plan(row.network), num_steps=row.num_steps))
        stream, cost = snn.stream(), Cost(snn.plan)
        settled = 0

        def decide(observations: Tensor, places: Places) -> tuple[Tensor, ...]:
            nonlocal settled
            record = stream.record(observations, places.episode_start, places.rows)
            cost.add(record)
            changes = (record.q[1:] != record.q[:-1]).flatten(1).any(1).nonzero()
            settled = max([settled, *(changes.flatten() + 1).tolist()])
            return (record.q[-1],)

        scores = protocol.run(decide, f"{self._game} {row.network} T={row.num_steps}")
        return {
            "spikes_kind": NETWORKS[row.network].spikes,
            "settled_at": settled + 1,
            "returns": scores.returns,
            "decisions": sum(scores.lengths),
            **cost.to_dict(),
        }

    def _protocol(self) -> Protocol:
        return Protocol(
            self._agent.env_id, self._episodes, self._seed, 0.0, self._episodes, None, progress=True
        )

    def _plan(self, name: str) -> SpikingPlan:
        """A network's plan in raw numbers, from its file if it was trained before."""
        path = self._output / f"{self._game}-{name}.safetensors"
        if path.exists():
            return load_plan(path)
        plan = made(
            self._agent,
            NETWORKS[name],
            self._training,
            lambda text: self._tell(f"{self._game} {name}: {text}"),
        )
        save_plan(plan, path)
        return plan

    def _tell(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)


def summary(found: dict[str, list[Entry]], seed: int) -> Entry:
    """Everything that was measured, and the shares.

    Args:
        found: The lines of each game.
        seed: Of the first episode of each.

    Returns:
        dict[str, Any]: The content of the JSON file.
    """
    return {
        "format_version": 1,
        "seed": seed,
        "epsilon": 0.0,
        "training": asdict(Training()),
        "games": found,
        "rows": list(_shares(found)),
    }


def _shares(found: dict[str, list[Entry]]) -> Iterator[Entry]:
    by_row = {game: {_row(entry): entry for entry in entries} for game, entries in found.items()}
    for row in ROWS[2:]:
        if not all({row, *ROWS[:2]} <= set(entries) for entries in by_row.values()):
            continue
        games = {game: _share(entries[row], entries) for game, entries in by_row.items()}
        lines = [entries[row] for entries in by_row.values()]
        yield {
            **row._asdict(),
            "spikes_kind": lines[0]["spikes_kind"],
            "settled_at": max(line["settled_at"] for line in lines),
            "spikes_per_neuron": statistics.fmean(line["spikes_per_neuron"] for line in lines),
            "share": statistics.fmean(share for share, _ in games.values()),
            "standard_error": math.sqrt(sum(error**2 for _, error in games.values())) / len(games),
            "games": {game: share for game, (share, _) in games.items()},
        }


def _share(entry: Entry, entries: dict[Row, Entry]) -> tuple[float, float]:
    """A return as a share of the DQN's, and its standard error, that of the DQN's mean included."""
    (mean, error), (dqn, dqn_error), (random, _) = map(_mean, (entry, entries[ROWS[0]], entries[ROWS[1]]))
    share = (mean - random) / (dqn - random)
    return share, math.hypot(error, share * dqn_error) / (dqn - random)


def _mean(entry: Entry) -> tuple[float, float]:
    returns = entry["returns"]
    return statistics.fmean(returns), statistics.stdev(returns) / math.sqrt(len(returns))


def _row(entry: Entry) -> Row:
    return Row(entry["network"], entry["num_steps"])


def _read(path: Path) -> list[Entry]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def table(results: Entry) -> tuple[list[str], list[list[str]]]:
    """Shares of the DQN's return.

    Args:
        results: The content of the JSON file.

    Returns:
        tuple[list[str], list[list[str]]]: Header, and a row for each network and T that all games have.
    """
    header = ["network", "spikes", "T", "% of the DQN", *GAMES, "spikes per neuron"]
    return header, [
        [
            row["network"],
            row["spikes_kind"],
            _steps(row),
            f"{row['share']:.1%} ± {row['standard_error']:.1%}",
            *(f"{row['games'][game]:.1%}" for game in GAMES),
            f"{row['spikes_per_neuron']:.2f}",
        ]
        for row in results["rows"]
    ]


def _steps(row: Entry) -> str:
    """T, or all T at which every Q-value of every decision was the same: the row is that of each of them."""
    first, last = row["settled_at"], row["num_steps"]
    return str(last) if first == last else f"{first} to {last}"
