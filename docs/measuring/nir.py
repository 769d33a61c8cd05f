"""Measure what other libraries make of the NIR files that dqn2snn writes.

    python docs/measure.py nir --output docs/results/nir.json
    python docs/measure.py fill nir

Agents are converted to plans of three kinds: soft resets alone, soft resets with initial membranes and thresholds of
their own, and hard resets, which is all that NIR's neurons know. Each plan is written to a file, and each library reads
it and runs it for the steps of a decision. What is compared is the current that arrives at each output neuron at each
step, with what the plan's float64 reference gives: any other spike of the last hidden layer shows in it. A library that
has read the file runs as it is, or is told the rest by a helper of `dqn2snn.interop`. Needs the extras `gym`, `nir` and
`importers`, and Norse, Sinabs and SpikingJelly, installed without the torchvision that they ask for and do not need.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import nirtorch
import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

import dqn2snn
from dqn2snn import SpikingPlan
from dqn2snn.engine.reference import simulate_reference
from dqn2snn.io.interop import exact_sinabs, exact_spikingjelly, unit_thresholds
from measuring.machine import versions

AGENTS = ("cartpole", "minatar-breakout")
PLANS = {"soft": "tan2021", "soft, initial membranes": "rate_if", "hard": "tan2021+hard_reset"}
LIBRARIES = ("snntorch", "norse", "sinabs", "spikingjelly", "spyx", "nirtorch", "nir")


@dataclass(frozen=True)
class Reader:
    """How a library reads and runs a file; `run(path, plan, observations)` gives `[T, B, A]`."""

    library: str
    how: str
    run: Callable[[Path, SpikingPlan, Tensor], Tensor]
    composite: bool = False
    exported: Callable[[SpikingPlan], SpikingPlan] = lambda plan: plan


def main(argv: Sequence[str]) -> None:
    """Convert, write, read, run, compare.

    Args:
        argv: The arguments.
    """
    parser = argparse.ArgumentParser(
        prog="python docs/measure.py nir",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON to write")
    parser.add_argument("--states", type=int, default=64, help="decisions (64)")
    parser.add_argument("--steps", type=int, default=16, help="of a decision (16)")
    args = parser.parse_args(argv)
    rows = list(tqdm(measured(args.states, args.steps), desc="files", unit="file"))
    result = {
        "states": args.states,
        "steps": args.steps,
        "versions": versions(["dqn2snn", *LIBRARIES]),
        "rows": rows,
    }
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measured(states: int, steps: int) -> Iterator[dict[str, Any]]:
    """A row for each agent, plan and way of reading."""
    for name in AGENTS:
        dqn = dqn2snn.load_q_network(name)
        observations = dqn2snn.collect_observations(dqn, 500, progress=False)
        for kind, recipe in PLANS.items():
            plan = dqn2snn.convert(dqn, observations, recipe=recipe, num_steps=steps).plan
            for reader in READERS:
                yield {"agent": name, "plan": kind, **compared(reader, plan, observations[:states].float())}


def compared(reader: Reader, plan: SpikingPlan, observations: Tensor) -> dict[str, Any]:
    """How many currents of the output neurons differ, or why there are none."""
    row: dict[str, Any] = {"library": reader.library, "how": reader.how}
    expected = currents(plan, observations)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "plan.nir"
            graph = dqn2snn.to_nir(reader.exported(plan), reset="composite" if reader.composite else "if")
            nir.write(path, graph)
            with torch.no_grad():
                found = reader.run(path, plan, observations).double()
    except Exception as error:  # whatever a library says of a file is what the table tells
        return {**row, "error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    if found.shape != expected.shape:
        return {**row, "error": f"output of shape {tuple(found.shape)}, not {tuple(expected.shape)}"}
    return {**row, "differing": int((found != expected).sum()), "of": expected.numel()}


def currents(plan: SpikingPlan, observations: Tensor) -> Tensor:
    """What arrives at the output neurons at each step, `[T, B, A]`, float64."""
    spikes = simulate_reference(plan, observations, plan.num_steps, spikes=True).spikes
    if spikes is None:
        raise RuntimeError("the reference keeps spikes when asked to")
    return torch.stack([plan.output.affine(fired.double()) for fired in spikes[-2]])


def stepwise(model: nn.Module, observations: Tensor, steps: int) -> Tensor:
    """Run a model that takes and gives its state."""
    outputs, state = [], None
    for _ in range(steps):
        found = model(observations) if state is None else model(observations, state)
        output, state = found if isinstance(found, tuple) else (found, None)
        outputs.append(output)
    return torch.stack(outputs)


def snntorch_as_read(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """`snntorch.import_nir`."""
    from snntorch.import_nir import import_from_nir

    return stepwise(import_from_nir(nir.read(path)), observations, plan.num_steps)


def norse_as_read(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """`norse.torch.from_nir`."""
    import norse.torch

    return stepwise(norse.torch.from_nir(nir.read(path)), observations, plan.num_steps)


def sinabs_model(path: Path, observations: Tensor) -> nn.Module:
    """`sinabs.nir.from_nir`."""
    from sinabs.nir import from_nir

    model: nn.Module = from_nir(nir.read(path), batch_size=len(observations))
    return model


def run_sinabs(model: nn.Module, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """Sinabs folds time into the batch, time last."""
    batch, steps = len(observations), plan.num_steps
    found = model(observations.repeat_interleave(steps, dim=0))
    output: Tensor = found[0] if isinstance(found, tuple) else found
    return output.reshape(batch, steps, -1).transpose(0, 1)


def sinabs_as_read(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """As it is."""
    return run_sinabs(sinabs_model(path, observations), plan, observations)


def sinabs_exact(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """With `exact_sinabs`."""
    model = exact_sinabs(sinabs_model(path, observations), plan, len(observations))
    return run_sinabs(model, plan, observations)


def spikingjelly_model(path: Path) -> nn.Module:
    """`spikingjelly.activation_based.nir_exchange.import_from_nir`; dt is what makes r one."""
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    model: nn.Module = import_from_nir(nir.read(path), dt=1.0)
    return model


def spikingjelly_as_read(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """As it is."""
    return stepwise(spikingjelly_model(path), observations, plan.num_steps)


def spikingjelly_exact(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """With `exact_spikingjelly`."""
    model = exact_spikingjelly(spikingjelly_model(path), plan, len(observations))
    return stepwise(model, observations, plan.num_steps)


def spyx_as_read(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """`spyx.nir.from_nir`, which runs the input as it reads; channels last."""
    import jax.numpy as jnp
    import spyx.nir

    x = observations if observations.ndim == 2 else observations.permute(0, 2, 3, 1)
    shown = x.expand(plan.num_steps, *x.shape).contiguous()
    _, outputs = spyx.nir.from_nir(nir.read(path), jnp.array(shown.numpy()))
    return torch.from_numpy(np.array(outputs))


class Integrator(nn.Module):
    """`nir.I`."""

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Add what arrives."""
        membrane = x if state is None else state + x
        return membrane, membrane


class Fires(nn.Module):
    """`nir.Threshold`."""

    def __init__(self, node: nir.Threshold) -> None:
        super().__init__()
        self.threshold = torch.from_numpy(node.threshold)

    def forward(self, x: Tensor) -> Tensor:
        """Fire above the threshold."""
        return (x > self.threshold).to(x.dtype)


class Scales(nn.Module):
    """`nir.Scale`."""

    def __init__(self, node: nir.Scale) -> None:
        super().__init__()
        self.scale = torch.from_numpy(node.scale)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.scale


def affine(node: nir.Affine) -> nn.Linear:
    """`nir.Affine`."""
    layer = nn.Linear(*reversed(node.weight.shape))
    layer.load_state_dict({"weight": torch.from_numpy(node.weight), "bias": torch.from_numpy(node.bias)})
    return layer


def convolution(node: nir.Conv2d) -> nn.Conv2d:
    """`nir.Conv2d`."""
    channels, inputs, *kernel = node.weight.shape
    layer = nn.Conv2d(inputs, channels, tuple(kernel), tuple(node.stride), tuple(node.padding))
    layer.load_state_dict({"weight": torch.from_numpy(node.weight), "bias": torch.from_numpy(node.bias)})
    return layer


def nirtorch_composite(path: Path, plan: SpikingPlan, observations: Tensor) -> Tensor:
    """`nirtorch.nir_to_torch` with a map of one's own, of the nodes that a composite graph holds."""
    modules = {
        nir.I: lambda node: Integrator(),
        nir.Threshold: Fires,
        nir.Scale: Scales,
        nir.Affine: affine,
        nir.Conv2d: convolution,
        nir.Flatten: lambda node: nn.Flatten(),
    }
    return stepwise(nirtorch.nir_to_torch(nir.read(path), modules), observations, plan.num_steps)


READERS = (
    Reader("snnTorch", "as read", snntorch_as_read),
    Reader("Norse", "as read", norse_as_read),
    Reader("Sinabs", "as read", sinabs_as_read),
    Reader("Sinabs", "`exact_sinabs`", sinabs_exact),
    Reader("SpikingJelly", "as read", spikingjelly_as_read),
    Reader("SpikingJelly", "`exact_spikingjelly`", spikingjelly_exact, exported=unit_thresholds),
    Reader("Spyx", "as read", spyx_as_read),
    Reader("nirtorch", "composite graph, map of nodes", nirtorch_composite, composite=True),
)
