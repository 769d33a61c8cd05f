"""Running a traced network on an example batch and on symbolic values at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.fx
from torch import Tensor, nn
from torch.fx.node import map_arg

from dqn2snn.errors import ObservationError, UnsupportedModuleError
from dqn2snn.tracing._calls import call_value
from dqn2snn.tracing._modules import module_value, noisy_means
from dqn2snn.tracing._refuse import refuse
from dqn2snn.tracing._value import Source, Value

__all__ = ["symbolic_output"]


class _Tracer(torch.fx.Tracer):
    """torch.fx, keeping noisy layers whole: tracing into one would freeze the noise of the moment."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return noisy_means(m) is not None or super().is_leaf_module(m, module_qualified_name)


def symbolic_output(network: nn.Module, example: Tensor) -> Value:
    """The network's output as an affine chain from its last ReLU.

    Args:
        network: The network, in eval mode.
        example: Batch of observations; its size should not be that of any other dimension.

    Returns:
        Value: The output.

    Raises:
        UnsupportedModuleError: If torch.fx cannot trace the network, or something in it is not supported.
    """
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # fx raises whatever the user's forward makes of a proxy.
        raise UnsupportedModuleError(
            f"Expected a network that torch.fx can trace. Found {type(network).__name__}, whose forward fails on a "
            f"symbolic input: {error}. Pass the nn.Sequential inside it, or remove control flow that reads the input."
        ) from None
    return _Interpreter(network, example).run(graph)


class _Interpreter:
    """Evaluates a graph node by node; `tensors` has what each node gives, `values` what it means."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        self.network = network
        self.example = example
        self.tensors: dict[torch.fx.Node, Any] = {}
        self.values: dict[torch.fx.Node, Value] = {}

    def run(self, graph: torch.fx.Graph) -> Value:
        for node in graph.nodes:
            if node.op == "output":
                return self._output(node)
            self._step(node)
        raise AssertionError("a torch.fx graph ends in an output node")

    def _step(self, node: torch.fx.Node) -> None:
        if node.op == "placeholder":
            self._placeholder(node)
        elif node.op == "get_attr":
            self.tensors[node] = _attribute(self.network, str(node.target))
        else:
            self._call(node)

    def _placeholder(self, node: torch.fx.Node) -> None:
        if self.values:
            if not node.args:
                raise refuse(str(node.target), "argument", "the network takes more than one input")
            self.tensors[node] = node.args[0]  # an argument with a default
            return
        self.tensors[node] = self.example
        self.values[node] = Value(Source(tuple(self.example.shape[1:])), (), tuple(self.example.shape[1:]))

    def _call(self, node: torch.fx.Node) -> None:
        args, kwargs = map_arg((node.args, node.kwargs), lambda n: self.tensors[n])
        target = self._callable(node)
        try:
            result = target(*args, **kwargs)
        except Exception as error:
            shape = tuple(self.example.shape[1:])
            raise ObservationError(
                f"Expected a network that takes observations of shape {shape}. Found that `{node.target}` fails on "
                f"them: {error}. Check the shape of the observations."
            ) from None
        self.tensors[node] = result
        if not any(argument in self.values for argument in node.all_input_nodes):
            return
        if isinstance(result, (int, float, torch.Size, torch.dtype, torch.device, str)):
            return  # x.size(0), x.shape, x.dtype: constants of the example batch
        if not isinstance(result, Tensor):
            raise (
                refuse(str(node.target), type(result).__name__)
                if node.op != "call_module"
                else refuse(str(node.target), type(self.network.get_submodule(str(node.target))).__name__)
            )
        if node.op != "call_module" and getattr(result, "shape", ())[:1] != self.example.shape[:1]:
            raise refuse(self._where(node), "function", "it mixes the samples of a batch")
        self.values[node] = self._meaning(node, target, result)

    def _callable(self, node: torch.fx.Node) -> Callable[..., Any]:
        if node.op == "call_function":
            return node.target  # type: ignore[return-value]
        if node.op == "call_method":
            name = str(node.target)
            return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)
        module = self.network.get_submodule(str(node.target))
        if (means := noisy_means(module)) is not None:
            return lambda x: nn.functional.linear(x, *means)
        return module

    def _meaning(self, node: torch.fx.Node, target: Callable[..., Any], result: Tensor) -> Value:
        if node.op == "call_module":
            module = self.network.get_submodule(str(node.target))
            source = node.args[0] if node.args else next(iter(node.kwargs.values()))
            assert isinstance(source, torch.fx.Node)
            return module_value(module, str(node.target), self.values[source], result.shape)
        args, kwargs = map_arg((node.args, node.kwargs), self._symbolic)
        name = str(node.target) if node.op == "call_method" else str(getattr(target, "__name__", target))
        try:
            return call_value(name, target, args, kwargs, result)
        except UnsupportedModuleError as error:
            raise UnsupportedModuleError(f"{error} It is called in {self._where(node)}.") from None

    def _symbolic(self, node: torch.fx.Node) -> Any:
        return self.values[node] if node in self.values else self.tensors[node]

    def _where(self, node: torch.fx.Node) -> str:
        stack = node.meta.get("nn_module_stack") or {}
        path = list(stack)[-1] if stack else ""
        return f"`{path}.forward`" if path else f"`{type(self.network).__name__}.forward`"

    def _output(self, node: torch.fx.Node) -> Value:
        result = node.args[0]
        if not isinstance(result, torch.fx.Node) or result not in self.values:
            raise refuse(
                "", type(self.network).__name__, "its output is not one tensor computed from the observations"
            )
        return self.values[result]


def _attribute(root: nn.Module, path: str) -> Any:
    found: Any = root
    for part in path.split("."):
        found = getattr(found, part)
    return found
