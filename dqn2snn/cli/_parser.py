"""The parser of the command line."""

from __future__ import annotations

import argparse

import dqn2snn
from dqn2snn._utils.arguments import Parser

DESCRIPTION = "Converts trained deep Q-networks to spiking networks and measures how far the two agree."
EPILOG = "dqn2snn COMMAND --help explains a command. Nothing is downloaded by any of them."

Commands = argparse._SubParsersAction  # argparse has no public name for it


def make_parser() -> Parser:
    """The parser with all commands.

    Returns:
        Parser: Its namespace has `run`, the function to call.
    """
    from dqn2snn.cli import agree, bench, convert, demo, diagnose, evaluate, info, suggest

    parser = Parser(prog="dqn2snn", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"dqn2snn {dqn2snn.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in (demo, suggest, convert, agree, diagnose, evaluate, bench, info):
        command.add(commands)
    return parser
