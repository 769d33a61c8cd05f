"""Running a traced network on an example batch and on symbolic values at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.node import Node, map_arg

from dqn2snn.errors import ObservationError, UnsupportedModuleError
from dqn2snn.tracing._calls import call_value
from dqn2snn.tracing._modules import module_value, noisy_means
from dqn2snn.tracing._refuse import refuse
from dqn2snn.tracing._value import Source, Value


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
        graph = _Tracer().trace(network, concrete_args=_defaults(network))
    except Exception as error:  # fx raises whatever the user's forward makes of a proxy.
        raise UnsupportedModuleError(
            f"Expected a network that torch.fx can trace. Found {type(network).__name__}, whose forward fails on a "
            f"symbolic input: {error}. Pass the nn.Sequential inside it, or remove control flow that reads the input."
        ) from None
    return _Interpreter(network, example).run(graph)


class _Interpreter:
    """Evaluates a graph node by node; `tensors` has the numbers of each node, `values` the symbols."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        self.network = network
        self.example = example.clone()
        self.tensors: dict[Node, Any] = {}
        self.values: dict[Node, Value] = {}
        self.known: dict[Any, Value] = {}
        """Values by call. A network that calls a layer twice on one value has its neurons once."""
        self.names = {id(parameter): name for name, parameter in network.named_parameters()}

    def run(self, graph: torch.fx.Graph) -> Value:
        for node in graph.nodes:
            if node.op == "output":
                return self._output(node)
            self._step(node)
        raise AssertionError("a torch.fx graph ends in an output node")

    def _step(self, node: Node) -> None:
        if node.op == "placeholder":
            self._placeholder(node)
        elif node.op == "get_attr":
            self.tensors[node] = _attribute(self.network, str(node.target))
        else:
            self._call(node)

    def _placeholder(self, node: Node) -> None:
        if self.values:
            if not node.args:
                raise refuse(str(node.target), "argument", "the network takes more than one input")
            self.tensors[node] = node.args[0]  # an argument with a default
            return
        self.tensors[node] = self.example
        self.values[node] = Value(Source(tuple(self.example.shape[1:])), (), tuple(self.example.shape[1:]))

    def _call(self, node: Node) -> None:
        first = next((argument for argument in node.all_input_nodes if argument in self.values), None)
        version = None if first is None else self.tensors[first]._version
        result = self._result(node)
        self.tensors[node] = result
        # x.size(0), x.shape, x.dtype are constants of the example batch.
        if first is None or isinstance(result, (int, float, torch.Size, torch.dtype, torch.device, str)):
            return
        if node.target in ("to", "type_as", "expand_as") and node.args[0] not in self.values:
            return  # a constant, made to fit x
        try:
            self.values[node] = self._remembered(node, result)
        except UnsupportedModuleError as error:
            called = "" if node.op == "call_module" else f" It is called in {self._where(node)}."
            raise UnsupportedModuleError(f"{error}{called}") from None
        if self.tensors[first]._version != version:  # x.relu_(): what the name x stands for has changed.
            self.values[first] = self.values[node]

    def _result(self, node: Node) -> Any:
        args, kwargs = map_arg((node.args, node.kwargs), lambda n: self.tensors[n])
        try:
            return self._callable(node)(*args, **kwargs)
        except Exception as error:
            raise ObservationError(
                f"Expected a network that takes observations of shape {tuple(self.example.shape[1:])}. Found that "
                f"`{node.target}` fails on them: {error}. Check the shape of the observations."
            ) from None

    def _callable(self, node: Node) -> Callable[..., Any]:
        if node.op == "call_function":
            return node.target  # type: ignore[return-value]
        if node.op == "call_method":
            name = str(node.target)
            return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)
        module = self.network.get_submodule(str(node.target))
        if (means := noisy_means(module)) is not None:
            return lambda x: F.linear(x, *means)
        return module

    def _remembered(self, node: Node, result: Any) -> Value:
        if not isinstance(result, Tensor) and node.op != "call_module":
            raise refuse(*self._place(node), f"it gives a {type(result).__name__}")
        args, kwargs = map_arg((node.args, node.kwargs), lambda n: self.values.get(n, self.tensors[n]))
        call = (node.op, node.target, args, tuple(kwargs.items()))
        try:
            hash(call)
        except TypeError:  # slices before Python 3.12
            return self._meaning(node, args, kwargs, result)
        if call not in self.known:
            self.known[call] = self._meaning(node, args, kwargs, result)
        return self.known[call]

    def _meaning(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Value:
        name, kind = self._place(node)
        shape = getattr(result, "shape", torch.Size())
        if node.op == "call_module":
            value = next(iter((*args, *kwargs.values())))
            value = module_value(self.network.get_submodule(name), name, value, shape)
        else:
            value = call_value(name, self._callable(node), args, kwargs, result)
        if shape[:1] != self.example.shape[:1]:
            raise refuse(name, kind, "it mixes the samples of a batch")
        if node.target in (F.linear, F.conv2d):
            weight = kwargs["weight"] if "weight" in kwargs else args[1]
            value = value.then(name=self.names.get(id(weight), value.name).removesuffix(".weight"))
        return value

    def _place(self, node: Node) -> tuple[str, str]:
        """Name and type of what a node calls."""
        if node.op == "call_module":
            return str(node.target), type(self.network.get_submodule(str(node.target))).__name__
        if node.target is getattr:
            return str(node.args[1]), "attribute"
        return str(getattr(node.target, "__name__", node.target)), "function"

    def _where(self, node: Node) -> str:
        path = next(reversed(node.meta.get("nn_module_stack") or {"": None}))
        return f"`{path or type(self.network).__name__}.forward`"

    def _output(self, node: Node) -> Value:
        result = node.args[0]
        if not isinstance(result, Node) or result not in self.values:
            raise refuse(
                "", type(self.network).__name__, "its output is not one tensor computed from the observations"
            )
        return self.values[result]


def _defaults(network: nn.Module) -> dict[str, Any]:
    """Arguments that the network can do without: its forward may ask whether they are None."""
    parameters = inspect.signature(network.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _attribute(root: nn.Module, path: str) -> Any:
    found: Any = root
    for part in path.split("."):
        found = getattr(found, part)
    return found
