"""dqn2snn: a trained deep Q-network in, a spiking network that takes the same decisions out.

A tour:

    import dqn2snn

    agent = dqn2snn.zoo.load("lunarlander")                        # a trained DQN that comes with the package
    observations = dqn2snn.collect_observations(agent.env_id, agent.network, 5_000, seed=0)
    snn = dqn2snn.convert(agent.network, observations, num_steps=32, backend="snntorch")
    q = snn(observations[:32])                                     # [B, A], in the DQN's units
    print(snn.summary(observations[:256]))                         # thresholds, rates, silent neurons
    record = snn.record(observations[:256])                        # one run has the answer for every T
    curve = dqn2snn.agreement_curve(record, agent.network(observations[:256]))
    scores = dqn2snn.compare_policies(agent.network, snn, agent.env_id, episodes=50)
    print(dqn2snn.suggest(agent.network, observations))            # how many steps it takes, without simulation
    print(dqn2snn.diagnose(snn, agent.network, observations[:256]))  # where the error comes from
    q = snn.step(observations[:8], done=None)                      # a control loop; "sigma_delta" remembers in it

`snn.network` is the native snnTorch or Norse network; `dqn2snn.readout` has readouts for anybody's loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dqn2snn import finetune as finetune
    from dqn2snn import interop as interop
    from dqn2snn import metrics as metrics
    from dqn2snn import readout as readout
    from dqn2snn import zoo as zoo
    from dqn2snn.aggregation import aggregate as aggregate
    from dqn2snn.calibration import ActivationStats as ActivationStats
    from dqn2snn.calibration import calibrate as calibrate
    from dqn2snn.checkpoints import load_q_network as load_q_network
    from dqn2snn.collect import collect_observations as collect_observations
    from dqn2snn.conversion import convert as convert
    from dqn2snn.diagnosis import diagnose as diagnose
    from dqn2snn.envs import make_env as make_env
    from dqn2snn.errors import Dqn2SnnError as Dqn2SnnError
    from dqn2snn.evaluate import compare_policies as compare_policies
    from dqn2snn.evaluate import evaluate_policy as evaluate_policy
    from dqn2snn.graph import LayerGraph as LayerGraph
    from dqn2snn.interop import from_nir as from_nir
    from dqn2snn.interop import to_nir as to_nir
    from dqn2snn.metrics import action_agreement as action_agreement
    from dqn2snn.metrics import agreement_curve as agreement_curve
    from dqn2snn.network import SpikingQNetwork as SpikingQNetwork
    from dqn2snn.plan import SpikingPlan as SpikingPlan
    from dqn2snn.plan_file import load_plan as load_plan
    from dqn2snn.plan_file import save_plan as save_plan
    from dqn2snn.plot import plot_agreement as plot_agreement
    from dqn2snn.plot import plot_raster as plot_raster
    from dqn2snn.record import Record as Record
    from dqn2snn.sharing import from_pretrained as from_pretrained
    from dqn2snn.sharing import push_to_hub as push_to_hub
    from dqn2snn.sharing import save_pretrained as save_pretrained
    from dqn2snn.stream import Stream as Stream
    from dqn2snn.suggestion import suggest as suggest
    from dqn2snn.tracing import trace as trace
    from dqn2snn.video import record_video as record_video

__version__ = "0.1.0"

_MODULES = ("finetune", "interop", "metrics", "readout", "zoo")
_NAMES = {
    "ActivationStats": "calibration",
    "Dqn2SnnError": "errors",
    "LayerGraph": "graph",
    "Record": "record",
    "SpikingPlan": "plan",
    "SpikingQNetwork": "network",
    "Stream": "stream",
    "action_agreement": "metrics",
    "aggregate": "aggregation",
    "agreement_curve": "metrics",
    "calibrate": "calibration",
    "collect_observations": "collect",
    "compare_policies": "evaluate",
    "convert": "conversion",
    "diagnose": "diagnosis",
    "evaluate_policy": "evaluate",
    "from_nir": "interop",
    "from_pretrained": "sharing",
    "load_plan": "plan_file",
    "load_q_network": "checkpoints",
    "make_env": "envs",
    "plot_agreement": "plot",
    "plot_raster": "plot",
    "push_to_hub": "sharing",
    "record_video": "video",
    "save_plan": "plan_file",
    "save_pretrained": "sharing",
    "suggest": "suggestion",
    "to_nir": "interop",
    "trace": "tracing",
}
__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    # Loaded when used: `dqn2snn --help` then starts without torch.
    if name in _MODULES:
        return importlib.import_module(f"dqn2snn.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"dqn2snn.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'dqn2snn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
