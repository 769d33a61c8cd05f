"""Where plans are made: on the CPU and outside inference mode, whatever the caller's defaults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def on_host() -> Iterator[None]:
    """Context and decorator: new tensors are ordinary ones on the CPU.

    Example:
        >>> with torch.inference_mode(), torch.device("meta"), on_host():
        ...     made = torch.zeros(2)
        >>> made.device.type, made.is_inference()
        ('cpu', False)
    """
    with torch.inference_mode(False), torch.device("cpu"):
        yield
