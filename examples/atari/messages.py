"""How a script ends where something is wrong: with one line instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dqn2snn.errors import Dqn2SnnError

__all__ = ["one_line"]

BAD_INPUT = 2
INTERRUPTED = 130  # as shells count Ctrl-C


@contextmanager
def one_line() -> Iterator[None]:
    """End the script with a line and a status, as the commands of `dqn2snn` do.

    Raises:
        SystemExit: On our own errors, files that cannot be read or written, and Ctrl-C.

    Example:
        >>> from dqn2snn.errors import ArgumentError
        >>> with one_line():
        ...     raise ArgumentError("Expected a game.")
        Traceback (most recent call last):
        ...
        SystemExit: 2
    """
    try:
        yield
    except Dqn2SnnError as error:
        _end(str(error), BAD_INPUT)
    except OSError as error:
        _end(f"{error.strerror}: {error.filename}" if error.filename else str(error), BAD_INPUT)
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)


def _end(message: str, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)
