"""The copy of a user's network that the tracer may run: in eval mode, on the CPU, without noise."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dqn2snn.errors import UnsupportedModuleError
from dqn2snn.tracing._modules import noise_spreads

_DTYPES = (torch.float32, torch.float64)


def frozen_copy(network: nn.Module) -> nn.Module:
    """A copy in eval mode whose noisy layers draw no noise.

    Raises:
        UnsupportedModuleError: If it is not a module with finite float32 or float64 parameters that can be copied.
    """
    if not isinstance(network, nn.Module):
        raise UnsupportedModuleError(
            f"Expected a torch.nn.Module. Found {type(network).__name__}. Pass the Q-network itself: model.q_net of a "
            "Stable-Baselines3 model, or the module that a state_dict was loaded into."
        )
    for name, parameter in (*network.named_parameters(), *network.named_buffers()):
        _check(name, parameter)
    try:
        frozen = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    except Exception as error:  # Modules may hold anything.
        raise UnsupportedModuleError(
            f"Expected a network that copy.deepcopy can copy. Found {type(network).__name__}: {error} "
            "Remove what cannot be copied; for weight norm, call torch.nn.utils.remove_weight_norm."
        ) from None
    for module in frozen.modules():
        for spread in noise_spreads(module):
            spread.zero_()
    return frozen


def _check(name: str, parameter: Tensor) -> None:
    if is_lazy(parameter) or parameter.is_meta:
        raise UnsupportedModuleError(
            f"Expected a network with weights. Found that `{name}` has none yet. Run or load it first."
        )
    if (parameter.is_floating_point() or parameter.is_complex()) and parameter.dtype not in _DTYPES:
        raise UnsupportedModuleError(
            f"Expected float32 or float64 parameters. Found `{name}` of {parameter.dtype}. "
            "Call network.float() first."
        )
    if not bool(torch.isfinite(parameter).all()):
        raise UnsupportedModuleError(
            f"Expected finite parameters. Found NaN or infinity in `{name}`. Load the network again or train it anew."
        )
