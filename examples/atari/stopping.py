"""When to stop: at a deadline, or when asked to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(minutes: float) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C, or a signal to terminate, into a question that a loop asks where it can stop cleanly.

    The second signal does what it always does, for those who cannot wait.

    Args:
        minutes: The deadline, from now.

    Yields:
        Whether to stop.

    Example:
        >>> with stopping(minutes=1) as stop:
        ...     stop()
        False
    """
    deadline = time.monotonic() + 60 * minutes
    asked = False
    usual = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        restore()

    for number in _SIGNALS:
        signal.signal(number, ask)
    try:
        yield lambda: asked or time.monotonic() >= deadline
    finally:
        restore()
