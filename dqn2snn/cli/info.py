"""`dqn2snn info`: what is installed, what can be converted and how; or what is in a plan."""

from __future__ import annotations

import argparse
import inspect
import platform
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.arguments import Parser
from dqn2snn.cli._arguments import add_json
from dqn2snn.cli._parser import Commands
from dqn2snn.cli._plans import describe_plan
from dqn2snn.cli._report import Report
from dqn2snn.errors import ArgumentError, Dqn2SnnError

if TYPE_CHECKING:
    from dqn2snn.engine.registry import EngineChoice
    from dqn2snn.plan import SpikingPlan

EXTRAS = {
    "torch": None,
    "snntorch": None,
    "safetensors": None,
    "numpy": None,
    "norse": "norse",
    "gymnasium": "gym",
    "minatar": "gym",
    "ale-py": "atari",
    "stable-baselines3": "sb3",
    "nir": "nir",
    "torchmetrics": "torchmetrics",
    "matplotlib": "plot",
    "imageio": "video",
    "pillow": "video",
    "huggingface-hub": "hub",
    "scipy": "bench",
}
"""Packages by the extra that installs them; None for those without which nothing runs."""


def add(commands: Commands[Parser]) -> None:
    """Add the command to a parser.

    Args:
        commands: The subparsers.
    """
    parser = commands.add_parser(
        "info",
        help="say what is installed, or what is in a plan",
        description="Lists versions, backends, engines, recipes and shipped agents; or describes a plan.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "plan", nargs="?", type=Path, metavar="PLAN", help="a file that dqn2snn convert wrote"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> Report:
    """Look and tell.

    Args:
        args: The arguments.

    Returns:
        Report: About the installation, or about the plan.
    """
    if args.plan is None:
        return _installation()
    from dqn2snn.io import zoo
    from dqn2snn.plan.file import load_plan

    if str(args.plan) in (*zoo.names(), *zoo.atari_names()) and not args.plan.exists():
        raise ArgumentError(
            f"Expected the file of a plan. Found the name of an agent, {str(args.plan)!r}. "
            f"Run: dqn2snn convert {args.plan}"
        )
    plan = load_plan(args.plan)
    choice = _engine_for(plan)
    data = {**describe_plan(plan), "engine": {"name": choice.name, "reason": choice.reason}}
    return Report(data, f"{plan.summary()}\n\nEngine {choice}\n\n{plan.reference}")


def _engine_for(plan: SpikingPlan) -> EngineChoice:
    import torch

    from dqn2snn.engine.registry import PreparedPlan

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # that the event engine is missing, which the choice says
        return PreparedPlan(plan, torch.device("cpu")).choose("auto")


def _installation() -> Report:
    from dqn2snn.engine.registry import AUTO, ENGINES
    from dqn2snn.recipes import entry_named, names_of

    versions = {name: _version(name) for name in EXTRAS}
    agents, backends = _agents(), _backends()
    data: dict[str, Any] = {
        "dqn2snn": _own_version(),
        "python": platform.python_version(),
        "packages": versions,
        "backends": {name: why_not is None for name, why_not in backends.items()},
        "engines": {
            AUTO: "the first of these that applies",
            **{name: engine.about for name, engine in ENGINES.items()},
        },
        "event_engine": _event_engine(),
        "recipes": {name: _reference(entry_named(name, "rule").function) for name in names_of("rule")},
        "corrections": {
            name: _reference(entry_named(name, "correction", "finetuning").function)
            for name in names_of("correction", "finetuning")
        },
        "agents": agents,
    }
    packages = {
        name: found or f'not installed. Run: pip install "dqn2snn[{EXTRAS[name]}]"'
        for name, found in versions.items()
    }
    sections = {
        "dqn2snn": f"{data['dqn2snn']}, Python {data['python']}",
        "Packages": packages,
        "Backends": {name: why_not or "ready" for name, why_not in backends.items()},
        "Engines": data["engines"],
        "Event engine": _described(data["event_engine"]),
        "Recipes": data["recipes"],
        "Corrections and fine-tunings": data["corrections"],
        "Agents": {
            name: f"{agent['env_id']}, mean return {agent['mean']:.1f} [{agent['ci95'][0]:.1f}, {agent['ci95'][1]:.1f}]"
            for name, agent in agents.items()
        },
    }
    return Report(data, _text(sections))


def _backends() -> dict[str, str | None]:
    """Why each backend cannot be used; None for those that can."""
    from dqn2snn.neurons.backends import backend_named, backend_names

    def why_not(name: str) -> str | None:
        try:
            backend_named(name)
        except Dqn2SnnError as error:
            return str(error)
        return None

    return {name: why_not(name) for name in backend_names()}


def _event_engine() -> dict[str, Any]:
    import torch

    from dqn2snn.engine.available import instruction_set, why_not

    return {
        "available": why_not() is None,
        "why_not": why_not(),
        "instruction_set": instruction_set(),
        "threads": torch.get_num_threads(),
    }


def _described(event_engine: dict[str, Any]) -> dict[str, str]:
    if not event_engine["available"]:
        return {"not in use": event_engine["why_not"]}
    return {
        "in use": "wherever it applies",
        "instruction set": event_engine["instruction_set"],
        "threads": f"{event_engine['threads']}, as many as torch",
    }


def _text(sections: dict[str, str | dict[str, str]]) -> str:
    lines: list[str] = []
    for title, content in sections.items():
        if isinstance(content, str):
            lines.append(f"{title} {content}")
        else:
            lines += ["", title, *(f"  {name:24}{value}" for name, value in content.items())]
    return "\n".join(lines)


def _own_version() -> str:
    import dqn2snn

    return dqn2snn.__version__


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _reference(function: Callable[..., Any]) -> str:
    """The paper, with which the docstring of a function's module ends."""
    module = inspect.getmodule(function)
    return " ".join((inspect.getdoc(module) or "").split("\n\n")[-1].split())


def _agents() -> dict[str, dict[str, Any]]:
    from dqn2snn.io import zoo
    from dqn2snn.io.checkpoints import load_q_network

    agents = {}
    for name in (*zoo.names(), *zoo.atari_names()):
        config = load_q_network(name).config
        score = config["evaluation"]
        agents[name] = {
            "env_id": config["env_id"],
            "layers": config["layers"],
            "episodes": score["episodes"],
            "mean": score["mean"],
            "ci95": score["ci95"],
        }
    return agents
