r"""Put the tables of the games into docs/benchmark/atari.md and the READMEs of the project and of the zoo, and draw.

Each table goes between <!-- name --> and <!-- /name -->. The directories are those of these commands, which go on
where they were stopped, and add to what is there:

dqn2snn bench --output docs/results/atari/games --agents $GAMES --recipes tan2021 rate rate+ftbc+ridge_all \
    --steps 16 64 500 --episodes 10 --batch 10 --jobs 2
dqn2snn bench --output docs/results/atari/nature --agents KrullNature CrazyClimberNature \
    --recipes tan2021 rate rate+ftbc+ridge_all --steps 16 64 500 --episodes 10 --batch 10 --jobs 2
dqn2snn bench --output docs/results/atari/steps --agents RoadRunner --recipes tan2021 clipped \
    --steps 8 16 32 64 128 250 500 1000 --percentiles 99 99.5 99.9 99.99 100 --episodes 10 --batch 10 --jobs 2
dqn2snn bench --output docs/results/atari/robustness --agents RoadRunner --recipes tan2021 rate --steps 64 \
    --perturbations none bar={0..81..3} gaussian={0.02,0.05,0.1,0.2} salt_and_pepper={0.01,0.02,0.05,0.1} \
    weights={0.05,0.1,0.2,0.4} --episodes 10 --batch 10 --jobs 2
python docs/measure.py random_atari
python docs/measure.py play_atari
python docs/measure.py fill atari

with GAMES the names of `dqn2snn.zoo.atari_names()` but those of Nature bodies.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from dqn2snn import load_q_network, zoo
from dqn2snn._utils.table import as_markdown
from dqn2snn.benchmark import Summary, read, references_of, summarise, write_report
from dqn2snn.benchmark._game import Game
from dqn2snn.benchmark._overall import Overall
from dqn2snn.benchmark._tables import tables
from dqn2snn.io.zoo import AgentConfig, Score
from measuring.places import DOCS, RESULTS, ROOT, filled_pages

ATARI = RESULTS / "atari"
PAGE = DOCS / "benchmark" / "atari.md"
README = ROOT / "README.md"
ZOO = ROOT / "zoo" / "atari" / "README.md"
MINATAR = ROOT / "zoo" / "minatar" / "README.md"
PUBLISHED = {"asterix": 32.2, "breakout": 27.8, "freeway": 62.6, "seaquest": 49.7, "space_invaders": 138.3}
"""Returns of the DQNs of Xu et al. (2026) on MinAtar."""

BEST = "rate+ftbc+ridge_all"
"""The recipe whose few steps agree best."""

STUDIES = ("games", "nature", "steps", "robustness")


def kept() -> dict[str, Summary]:
    """What the directories that are there say."""
    found = {name: read(ATARI / name) for name in STUDIES if (ATARI / name).is_dir()}
    return {
        name: summarise(results, references_of(sorted({unit.agent for unit, _ in results.episodes})))
        for name, results in found.items()
    }


def over_percentiles(games: Sequence[Game], cell: Callable[[Game], str]) -> str:
    """A row for each number of steps, a column for each percentile; the clipped DQN below."""
    percentiles = sorted({game.percentile for game in games if game.percentile is not None})
    steps = sorted({game.num_steps for game in games}, key=lambda number: number or math.inf)
    found = {(game.num_steps, game.percentile): cell(game) for game in games}
    rows = [
        [str(number or "clipped DQN"), *(found.get((number, each), "") for each in percentiles)]
        for number in steps
    ]
    return as_markdown(["T", *(f"{percentile:g}" for percentile in percentiles)], rows)


def _agreements(game: Game) -> str:
    shares = (game.agreement, game.agreement_spike_count) if game.num_steps else (game.agreement,)
    return " / ".join(f"{100 * share.mean:.1f}" for share in shares)


def clear_of_zero(games: Sequence[Game]) -> str:
    """Sentences on the paired differences whose interval does not hold zero."""
    found: dict[str, list[str]] = {}
    for game in games:
        if game.difference.low > 0 or game.difference.high < 0:
            found.setdefault(f"`{game.recipe}` at T = {game.num_steps}", []).append(game.agent)
    clear = sum(map(len, found.values()))
    chance = round(sum(1 - game.difference.level for game in games))
    listed = "; ".join(f"{way} on {', '.join(names)}" for way, names in found.items())
    return (
        f"Of the {len(games)} paired differences, {clear} have an interval that is clear of zero, where {chance} would "
        "be expected if there were no difference at all." + f" They are: {listed}." * bool(clear)
    )


def agreements(overall: Sequence[Overall]) -> str:
    """Sentences on the agreement over all games, few steps beside many."""
    share = {(way.recipe, way.num_steps): f"{100 * way.agreement:.1f} %" for way in overall}
    long = (f"`{recipe}` from {share[recipe, 64]} to {share[recipe, 500]}" for recipe in ("rate", BEST))
    return (
        f"Over the games, `{BEST}` agrees in {share[BEST, 16]} at T = 16 and in {share[BEST, 64]} at T = 64; `tan2021` "
        f"has {share['tan2021', 500]} at T = 500. From T = 64 to 500 agreement goes with {' and with '.join(long)}."
    )


def in_short(overall: Sequence[Overall]) -> str:
    """The paper's rule at its own number of steps and at few, beside the recipe for few steps."""
    shown = (("tan2021", 500), ("tan2021", 16), (BEST, 16), (BEST, 64))
    ways = {(way.recipe, way.num_steps): way for way in overall}
    rows = [
        [
            f"`{recipe}`",
            str(num_steps),
            f"{100 * ways[recipe, num_steps].agreement:.1f} %",
            str(ways[recipe, num_steps].ratio),
        ]
        for recipe, num_steps in shown
    ]
    return as_markdown(["recipe", "T", "same action", "SNN / DQN, return"], rows)


def agents() -> str:
    """The agents with their scores, and what random play and a human score."""
    chance: dict[str, Score] = json.loads((ATARI / "random.json").read_text(encoding="utf-8"))
    rows = []
    for name in zoo.atari_names():
        config = _config(name)
        reference, training = zoo.reference_of(config["env_id"]), config["training"]
        greedy, exploring = config["evaluation"], *config.get("also_evaluated", [])
        assert reference is not None
        rows.append(
            [
                name,
                training["hyperparameters"]["body"],
                f"{training['total_steps']:,}",
                f"{reference.random:,g}",
                f"{reference.human:,g}",
                *(_score(score) for score in (chance[config["env_id"]], greedy, exploring)),
            ]
        )
    header = [
        "game",
        "body",
        "agent steps",
        "random play",
        "human",
        "random play here",
        "greedy",
        "epsilon 0.05",
    ]
    return as_markdown(header, rows, left=2)


def small_agents() -> str:
    """The MinAtar agents of the package and of the zoo, beside published ones."""
    rows = [
        [
            game,
            f"`{name}`",
            f"{config['training']['total_steps']:,}",
            _score(config["evaluation"], 1),
            f"{published:g}",
        ]
        for game, published in PUBLISHED.items()
        for name, config in _small_agents_of(game)
    ]
    return as_markdown(["game", "agent", "steps", "return", "Xu et al."], rows, left=2)


def _small_agents_of(game: str) -> Iterator[tuple[str, AgentConfig]]:
    if f"minatar-{game}" in zoo.names():
        yield f"minatar-{game}", _config(f"minatar-{game}")
    if (MINATAR.parent / game).is_dir():
        yield f"zoo/minatar/{game}", _config(MINATAR.parent / game)


def _config(agent: str | Path) -> AgentConfig:
    return cast(AgentConfig, load_q_network(agent).config)


def pages() -> dict[Path, str]:
    """What the pages have to be."""
    content = {"agents": agents()}
    for name, summary in kept().items():
        content |= {f"{name}: {table}": text for table, text in tables(summary).items()}
        content[f"{name}: differences"] = clear_of_zero(summary.games)
        if name == "games":
            content["games: agreement"] = agreements(summary.overall)
            content["games: in short"] = in_short(summary.overall)
        if name == "steps":
            content["steps: agreement"] = over_percentiles(summary.games, _agreements)
            content["steps: scores"] = over_percentiles(summary.games, lambda game: str(game.snn))
    contents = {
        PAGE: content,
        README: content,
        ZOO: {"agents": content["agents"]},
        MINATAR: {"agents": small_agents()},
    }
    return filled_pages({path: _placed(path, parts) for path, parts in contents.items()})


def _placed(path: Path, content: dict[str, str]) -> dict[str, str]:
    """The tables that the page has a place for."""
    page = path.read_text(encoding="utf-8")
    return {name: text for name, text in content.items() if f"<!-- {name} -->" in page}


def _score(score: Score, digits: int = 0) -> str:
    return "{:,.{d}f} [{:,.{d}f}, {:,.{d}f}]".format(score["mean"], *score["ci95"], d=digits)


def draw() -> None:
    """Write the reports of all directories, with their pictures."""
    for name, summary in kept().items():
        write_report(summary, ATARI / name)
