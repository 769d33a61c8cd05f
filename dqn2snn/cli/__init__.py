"""The command line: `dqn2snn demo | suggest | convert | agree | diagnose | evaluate | bench | info`.

A command is a module with `add(subparsers)`, which says what it takes, and `run(arguments)`, which returns a
`Report`. Only `main` prints: the report to standard output, everything else to standard error. The commands
import torch when they run, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from dqn2snn.cli._parser import make_parser
from dqn2snn.errors import Dqn2SnnError

__all__ = ["main"]

BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        int: The exit status: 0, 2 for input that is refused, 130 after Ctrl-C.
    """
    try:
        arguments = make_parser().parse_args(argv)
        # Whatever a library prints must not get into the JSON.
        with redirect_stdout(sys.stderr):
            report = arguments.run(arguments)
        print(report.to_json() if arguments.json else report.text, flush=True)
    except Dqn2SnnError as error:
        return _fail(f"error: {error}", BAD_INPUT)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left: nobody to tell, and nothing to flush when Python ends
        return BAD_INPUT
    except OSError as error:
        return _fail(
            f"error: {error.strerror}: {error.filename}" if error.filename else f"error: {error}", BAD_INPUT
        )
    return 0


def _fail(message: str, status: int) -> int:
    print("dqn2snn:", " ".join(message.split()), file=sys.stderr)
    return status
