"""dqn2snn: a trained deep Q-network in, a spiking network that takes the same decisions out.

A tour:

    import dqn2snn

    dqn = dqn2snn.load_q_network("lunarlander")                    # a trained DQN of the package; or a file
    observations = dqn2snn.collect_observations(dqn, 5_000, seed=0)
    snn = dqn2snn.convert(dqn, observations, num_steps=32, backend="snntorch")
    q = snn(observations[:32])                                     # [B, A], in the DQN's units
    print(snn.summary(observations[:256]))                         # thresholds, rates, silent neurons
    record = snn.record(observations[:256])                        # one run has the answer for every T
    curve = dqn2snn.agreement_curve(record, dqn(observations[:256]))
    scores = dqn2snn.compare_policies(dqn, snn, episodes=50)
    print(dqn2snn.suggest(dqn, observations))            # how many steps it takes, without simulation
    print(dqn2snn.diagnose(dqn, snn, observations[:256]))  # where the error comes from
    q = snn.stream().step(observations[:8])                        # a control loop; "sigma_delta" remembers in it

`snn.network` is the native snnTorch or Norse network; `dqn2snn.readout` has readouts for anybody's loop.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dqn2snn import metrics as metrics
    from dqn2snn.analysis.diagnosis import diagnose as diagnose
    from dqn2snn.analysis.suggestion import suggest as suggest
    from dqn2snn.conversion import aggregate as aggregate
    from dqn2snn.conversion import convert as convert
    from dqn2snn.dynamics import readout as readout
    from dqn2snn.dynamics.record import Record as Record
    from dqn2snn.engine.stream import Stream as Stream
    from dqn2snn.errors import Dqn2SnnError as Dqn2SnnError
    from dqn2snn.io import interop as interop
    from dqn2snn.io import zoo as zoo
    from dqn2snn.io.checkpoints import QNetwork as QNetwork
    from dqn2snn.io.checkpoints import load_q_network as load_q_network
    from dqn2snn.io.interop import from_nir as from_nir
    from dqn2snn.io.interop import to_nir as to_nir
    from dqn2snn.metrics import action_agreement as action_agreement
    from dqn2snn.metrics import agreement_curve as agreement_curve
    from dqn2snn.network import SpikingQNetwork as SpikingQNetwork
    from dqn2snn.plan import SpikingPlan as SpikingPlan
    from dqn2snn.plan.file import load_plan as load_plan
    from dqn2snn.plan.file import save_plan as save_plan
    from dqn2snn.plan.graph import LayerGraph as LayerGraph
    from dqn2snn.play.collect import collect_observations as collect_observations
    from dqn2snn.play.envs import make_env as make_env
    from dqn2snn.play.evaluate import compare_policies as compare_policies
    from dqn2snn.play.evaluate import evaluate_policy as evaluate_policy
    from dqn2snn.plot import plot_agreement as plot_agreement
    from dqn2snn.plot import plot_raster as plot_raster
    from dqn2snn.plot.video import record_video as record_video
    from dqn2snn.recipes import finetune as finetune
    from dqn2snn.tracing import trace as trace
    from dqn2snn.tracing.calibration import ActivationStats as ActivationStats
    from dqn2snn.tracing.calibration import calibrate as calibrate

__version__ = "0.1.0"

_ROOMS = (
    "analysis",
    "conversion",
    "dynamics",
    "engine",
    "errors",
    "neurons",
    "plan",
    "play",
    "plot",
    "tracing",
)
_MODULES = {
    **{room: room for room in _ROOMS},
    "checkpoints": "io.checkpoints",
    "correction": "recipes.correction",
    "finetune": "recipes.finetune",
    "hardware": "analysis.hardware",
    "interop": "io.interop",
    "metrics": "metrics",
    "perturbation": "analysis.perturbation",
    "readout": "dynamics.readout",
    "recipes": "recipes",
    "zoo": "io.zoo",
}
_NAMES = {
    "ActivationStats": "tracing.calibration",
    "Dqn2SnnError": "errors",
    "LayerGraph": "plan.graph",
    "QNetwork": "io.checkpoints",
    "Record": "dynamics.record",
    "SpikingPlan": "plan",
    "SpikingQNetwork": "network",
    "Stream": "engine.stream",
    "action_agreement": "metrics",
    "aggregate": "conversion",
    "agreement_curve": "metrics",
    "calibrate": "tracing.calibration",
    "collect_observations": "play.collect",
    "compare_policies": "play.evaluate",
    "convert": "conversion",
    "diagnose": "analysis.diagnosis",
    "evaluate_policy": "play.evaluate",
    "from_nir": "io.interop",
    "load_plan": "plan.file",
    "load_q_network": "io.checkpoints",
    "make_env": "play.envs",
    "plot_agreement": "plot",
    "plot_raster": "plot",
    "record_video": "plot.video",
    "save_plan": "plan.file",
    "suggest": "analysis.suggestion",
    "to_nir": "io.interop",
    "trace": "tracing",
}
__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    # Loaded when used: `dqn2snn --help` then starts without torch.
    if name in _MODULES:
        return importlib.import_module(f"dqn2snn.{_MODULES[name]}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"dqn2snn.{_NAMES[name]}"), name)
    near = difflib.get_close_matches(name, __all__, n=1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module 'dqn2snn' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
