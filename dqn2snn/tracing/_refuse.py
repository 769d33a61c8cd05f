"""Errors for operations without a spiking counterpart, with advice."""

from __future__ import annotations

from dqn2snn.errors import UnsupportedModuleError

SUPPORTED = (
    "Conv2d, Linear, ReLU, Flatten and reshapes, AvgPool2d, zero padding, BatchNorm1d/2d, Dropout, Identity, "
    "scaling by constants, dueling, quantile and noisy heads"
)

_ADVICE = {
    "maxpool": "Use AvgPool2d or a strided Conv2d and train again: a maximum of rates is not a rate of spikes.",
    "max_pool": "Use AvgPool2d or a strided Conv2d and train again: a maximum of rates is not a rate of spikes.",
    "lstm": "Stack frames instead of a recurrent state.",
    "gru": "Stack frames instead of a recurrent state.",
    "rnn": "Stack frames instead of a recurrent state.",
    "layernorm": "Use BatchNorm, whose statistics are constants, and train again.",
    "layer_norm": "Use BatchNorm, whose statistics are constants, and train again.",
    "groupnorm": "Use BatchNorm, whose statistics are constants, and train again.",
    "softmax": "Convert the network below the softmax; a categorical (C51) head is not affine in its features.",
    "attention": "Attention multiplies activations with each other, which rate-coded neurons do not.",
}
_GENERAL_ADVICE = "Replace it by supported modules, or convert the part of the network that holds only those."
_ACTIVATIONS = (
    "tanh",
    "sigmoid",
    "elu",
    "gelu",
    "silu",
    "swish",
    "mish",
    "softplus",
    "leaky",
    "prelu",
    "hard",
    "relu6",
)


def refuse(name: str, kind: str, reason: str = "") -> UnsupportedModuleError:
    """Make the error for one place of the user's network.

    Args:
        name: Qualified name of the module or of the call.
        kind: Its type.
        reason: The fault, where it is not the type itself.
    """
    where = f"`{name}`" if name else "the network"
    found = f"Found {where} of type {kind}" + (f": {reason}." if reason else ".")
    # The name of a module says nothing of what it is; that of a function does.
    advice = _advice(name if kind == "function" else kind) if not reason else _GENERAL_ADVICE
    return UnsupportedModuleError(f"Expected only {SUPPORTED}. {found} {advice}")


def _advice(what: str) -> str:
    lowered = what.lower()
    if any(word in lowered for word in _ACTIVATIONS):
        return "Replace it by ReLU and fine-tune: an integrate-and-fire neuron's rate is a rectified linear function."
    for word, advice in _ADVICE.items():
        if word in lowered:
            return advice
    return _GENERAL_ADVICE
