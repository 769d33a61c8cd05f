"""The one property of a traced network: it computes what the network computes, and leaves that as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dqn2snn.plan.graph import LayerGraph
from dqn2snn.plan.ops import run
from dqn2snn.tracing import trace

IMAGE = (3, 8, 7)
"""Channels, height and width of what the networks see."""


class Function(nn.Module):
    """A network whose forward is a function of its modules and the observations."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with random parameters and normalisation statistics, in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0, generator=generator)
            elif value.is_floating_point():
                value.normal_(std=0.5, generator=generator)
    return network


def assert_folds(
    network: nn.Module, shape: tuple[int, ...], neurons: Sequence[int], mean: nn.Module | None = None
) -> LayerGraph:
    """Trace a network, and check the graph against it in both precisions.

    Args:
        network: The network.
        shape: Shape of one observation.
        neurons: Expected number of neurons of each layer, the head included.
        mean: A network that gives what `network` gives without noise; by default `network` itself.

    Returns:
        LayerGraph: The graph.
    """
    before = snapshot(network)
    graph = trace(network, shape)
    assert snapshot(network) == before
    assert [layer.neurons for layer in graph.all_layers] == list(neurons)
    assert_consistent(graph, shape)
    generator = torch.Generator().manual_seed(1)
    observations = 3 * torch.randn(33, *shape, generator=generator, dtype=torch.float64)
    reference = copy.deepcopy(mean or network).eval()
    with torch.no_grad():
        for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
            expected = reference.to(dtype)(observations.to(dtype))
            found = graph.cast(dtype)(observations.to(dtype))
            scale = max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * scale)
    return graph


def assert_consistent(graph: LayerGraph, shape: tuple[int, ...]) -> None:
    """Shapes follow each other, numbers are float64, and every layer has a name of its own."""
    names = [layer.name for layer in graph.all_layers]
    assert all(names)
    assert len(set(names)) == len(names)
    assert graph.input_shape == shape
    for layer in graph.all_layers:
        assert layer.in_shape == shape
        assert tuple(run(layer.ops, torch.zeros(1, *shape, dtype=torch.float64)).shape[1:]) == layer.out_shape
        assert tuple(layer.bias.shape) in ((layer.out_shape[0],), layer.out_shape)
        assert layer.weight.dtype == layer.bias.dtype == torch.float64
        shape = layer.out_shape


def snapshot(network: nn.Module) -> dict[str, Any]:
    """Everything of a network that tracing must not touch."""
    tensors = (*network.named_parameters(), *network.named_buffers())
    return {
        "values": {name: (id(value), value.detach().numpy().tobytes()) for name, value in tensors},
        "requires_grad": {name: value.requires_grad for name, value in tensors},
        "gradients": {name: value.grad for name, value in tensors},
        "modules": {name: (id(module), module.training) for name, module in network.named_modules()},
        "hooks": {name: _hooks(module) for name, module in network.named_modules()},
        "random numbers": torch.get_rng_state().numpy().tobytes(),
    }


def _hooks(module: nn.Module) -> list[list[int]]:
    return [list(value) for key, value in vars(module).items() if key.endswith("_hooks")]
