"""Energy of a decision, estimated from counts of operations."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dqn2snn._utils.nearest import unknown_name
from dqn2snn._utils.table import format_table
from dqn2snn.dynamics.record import Record
from dqn2snn.errors import ArgumentError
from dqn2snn.metrics import synaptic_operations
from dqn2snn.plan import PlanOrNetwork, plan_of

__all__ = ["ENERGY_MODELS", "EnergyModel", "decision_cost"]


@dataclass(frozen=True)
class EnergyModel:
    """Energy of single operations, in picojoules.

    Attributes:
        name: Name of the hardware.
        synaptic_operation: A spike at one synapse.
        neuron_update: One neuron in one step, whether a spike arrives or not.
        mac: A multiply-accumulate of the first layer, once a decision; 0 where it is done elsewhere.
        source: Where the numbers are from.
        limits: Costs that the numbers leave out.
    """

    name: str
    synaptic_operation: float
    neuron_update: float
    mac: float
    source: str
    limits: str

    def __post_init__(self) -> None:
        if min(self.synaptic_operation, self.neuron_update, self.mac) < 0:
            raise ArgumentError(
                f"Expected energies of 0 pJ or more. Found {self}. Give what one operation takes."
            )


ENERGY_MODELS: Final = MappingProxyType(
    {
        "45nm": EnergyModel(
            name="45 nm arithmetic",
            synaptic_operation=0.9,
            neuron_update=0.9,
            mac=4.6,
            source="Horowitz, ISSCC 2014: float32 addition 0.9 pJ, multiplication 3.7 pJ",
            limits="Memory, communication and leakage are left out; they often weigh more.",
        ),
        "loihi": EnergyModel(
            name="Loihi",
            synaptic_operation=23.6,
            neuron_update=81.0,
            mac=0.0,
            source="Davies et al., IEEE Micro 38(1), 2018",
            limits="The least energy of an operation at 0.75 V; input and output, the routing of spikes and static "
            "power are left out, and the first layer's current is computed off the chip.",
        ),
        "spinnaker2": EnergyModel(
            name="SpiNNaker 2",
            synaptic_operation=450.0,
            neuron_update=2_190.0,
            mac=0.0,
            source="Höppner et al., IEEE TCAS-I 66(8), 2019, as KerasSpiking 0.3.0 reads it",
            limits="A test chip's; input and output are left out, and the first layer's current is computed elsewhere.",
        ),
    }
)
"""The models by name."""


@dataclass(frozen=True)
class DecisionCost:
    """Operations of a decision, on average.

    Attributes:
        synaptic_operations: Accumulates caused by spikes.
        neuron_updates: Neurons times steps.
        input_macs: Multiply-accumulates of the first layer.
    """

    synaptic_operations: float
    neuron_updates: int
    input_macs: int

    def joules(self, model: str | EnergyModel) -> float:
        """Energy by a model.

            E = synaptic operations e_s + neurons T e_n + first layer's multiply-accumulates e_m

        Read it as a weighted count of operations, not as a measurement: `EnergyModel.limits`.

        Args:
            model: A name out of `ENERGY_MODELS`, or one's own.

        Returns:
            float: Joules a decision.

        Raises:
            ArgumentError: If there is no model of that name.

        Example:
            >>> DecisionCost(1_000.0, 100, 0).joules("loihi")
            3.17e-08
        """
        chosen = _model(model)
        picojoules = (
            self.synaptic_operations * chosen.synaptic_operation
            + self.neuron_updates * chosen.neuron_update
            + self.input_macs * chosen.mac
        )
        return picojoules * 1e-12

    def summary(self) -> str:
        """A table of the models."""
        rows = [[each.name, f"{self.joules(each) * 1e6:.3g}", each.source] for each in ENERGY_MODELS.values()]
        return format_table(("hardware", "uJ a decision", "source"), rows)


def decision_cost(plan: PlanOrNetwork, record: Record) -> DecisionCost:
    """Count the operations of recorded decisions.

    Args:
        plan: Whose decisions they are, or its network.
        record: `snn.record(observations)`.

    Returns:
        DecisionCost: Their mean.

    Raises:
        ArgumentError: If the record is another plan's.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> import dqn2snn
        >>> net, states = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.rand(64, 4)
        >>> snn = dqn2snn.convert(net, states, num_steps=16)
        >>> cost = decision_cost(snn, snn.record(states))
        >>> cost.neuron_updates, cost.input_macs
        (160, 32)
    """
    plan = plan_of(plan)
    fan_outs = [plan.fan_out(i) for i in range(len(plan.layers))]
    operations = synaptic_operations(record.sent[: len(fan_outs)], fan_outs)
    neurons = sum(layer.affine.neurons for layer in plan.all_layers)
    return DecisionCost(float(operations.mean()), neurons * record.num_steps, plan.input_macs)


def _model(model: str | EnergyModel) -> EnergyModel:
    if isinstance(model, EnergyModel):
        return model
    if model not in ENERGY_MODELS:
        raise unknown_name("an energy model", model, ENERGY_MODELS)
    return ENERGY_MODELS[model]
