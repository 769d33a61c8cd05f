"""Where a module is, found fast."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Place:
    """The device of a module, looked up where its first tensor is kept, as `.to()` may replace the tensor.

    Args:
        module: A module with a parameter or a buffer.

    Example:
        >>> Place(nn.Linear(2, 2)).device
        device(type='cpu')
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._tensors, self._name = _first(module)

    @property
    def device(self) -> torch.device:
        """Where the module is now."""
        tensor = self._tensors[self._name]
        assert tensor is not None
        return tensor.device


def _first(module: nn.Module) -> tuple[Mapping[str, Tensor | None], str]:
    return next(
        (tensors, name)
        for part in module.modules()
        for tensors in (part._parameters, part._buffers)
        for name, tensor in tensors.items()
        if tensor is not None
    )
