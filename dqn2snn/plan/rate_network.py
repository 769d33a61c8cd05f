"""The network that a spiking one becomes in unlimited time: the ReLU network that its rates tend to.

With r the spikes per step of a layer (in "delta" coding: the level that it has sent), theta its threshold and b its
bias current,

    z_l = (W_l r_{l-1} + b_l) / theta_l,    r_l = max(0, z_l),    Q = scale * z_L.

For a plan made without corrections this is the DQN itself, in units in which thresholds are one. In T steps a
neuron can send only whole numbers of spikes, N = clip(floor(T z + V(0) / theta), 0, most), if its input comes
evenly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.errors import PlanError
from dqn2snn.plan import Coding, PlanOrNetwork, SpikingLayer, SpikingPlan, plan_of
from dqn2snn.plan.graph import per_channel
from dqn2snn.plan.grid import rounded

_LEVEL_PHASE = 0.5
"""Part of V(0) / theta that rounds in a hidden "delta" layer; the rest of its V(0) is the bias."""


@dataclass(frozen=True, eq=False)
class RateLayer:
    """A layer of a plan, read as an affine map between rates.

    Attributes:
        layer: Layer of the plan, cast.
        constant: Addend of the affine map, broadcasts over `[*shape]`.
        phase: V(0) / theta that rounds: 0 rounds down and 1/2 to the nearest spike; broadcasts over `[*shape]`.
        coding: Gives the meaning of counts.
    """

    layer: SpikingLayer
    constant: Tensor
    phase: Tensor
    coding: Coding

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.layer.name

    def __call__(self, rates: Tensor) -> Tensor:
        """The numbers z of this layer, `[B, *shape]`, given the rates of the one before."""
        z: Tensor = (self.layer.affine(rates) + self.constant) / self.layer.threshold
        return z

    def quanta(self, num_steps: int) -> int:
        """Spikes that stand for a rate of one."""
        return self.coding.quanta(num_steps)

    def most(self, num_steps: int) -> int:
        """Spikes that a neuron can have sent after `num_steps` steps of a decision, or at any time of a stream."""
        return self.coding.most(self.layer, num_steps)

    def quantized(self, z: Tensor, num_steps: int) -> Tensor:
        """The rates that neurons send for a constant z: whole spikes, no more than they can send in `num_steps`."""
        n = self.quanta(num_steps)
        return torch.floor(z * n + self.phase).clamp_(0, self.most(num_steps)) / n


@dataclass(frozen=True, eq=False)
class RateNetwork:
    """A plan, read as a ReLU network between rates.

    Attributes:
        plan: The plan, cast.
        layers: The hidden layers.
        output: Its rates are Q-values in units of `plan.readout_scale`.
    """

    plan: SpikingPlan
    layers: tuple[RateLayer, ...]
    output: RateLayer

    @staticmethod
    def of(plan: PlanOrNetwork, dtype: torch.dtype = torch.float32) -> RateNetwork:
        """Read a plan.

        Args:
            plan: A plan in "rate" or "delta" coding, on a grid or raw; or its network.
            dtype: In which to compute.

        Returns:
            RateNetwork: The ReLU network.

        Raises:
            PlanError: If the plan is in another coding.
        """
        plan = plan_of(plan)
        if not plan.coding.counted:
            raise PlanError(
                f'Expected a coding whose spikes are counted, as "rate" or "delta". Found {plan.coding.name!r}. '
                "Measure agreement of this one by simulation."
            )
        cast = plan.cast(dtype)
        coding = plan.coding
        hidden = tuple(_read(layer, coding, _LEVEL_PHASE) for layer in cast.layers)
        return RateNetwork(cast, hidden, _read(cast.output, coding, 0.0))

    def inputs(self, observations: Tensor) -> Tensor:
        """Observations as the first layer sees them: of the network's dtype, and on the plan's grid."""
        x = observations.double()
        bits = self.plan.input_bits
        return (x if bits is None else rounded(x, bits)).to(self.plan.output.threshold.dtype)

    def q(self, rates: Tensor) -> Tensor:
        """Q-values `[B, A]` of rates of the last hidden layer."""
        return self.plan.readout_scale * self.output(rates)

    def drives(self, observations: Tensor) -> Iterator[Tensor]:
        """Yield z of every hidden layer, `[B, *shape]`, and then the Q-values `[B, A]`."""
        rates = self.inputs(observations)
        for layer in self.layers:
            z = layer(rates)
            yield z
            rates = z.relu()
        yield self.q(rates)

    def saturated(self, observations: Tensor) -> Tensor:
        """Q-values `[B, A]` if no neuron sends more than it can: rates clipped at the spikes it can send in a step.

        The limit of a plan in many steps, up to what spikes that come unevenly change for good.
        """
        rates = self.inputs(observations)
        for layer in self.layers:
            rates = layer(rates).clamp_(0, layer.most(1))
        return self.q(rates)

    def q_from(self, layer: int, rates: Tensor) -> Tensor:
        """Q-values of rates of a hidden layer, all later ones being exact."""
        for later in self.layers[layer + 1 :]:
            rates = later(rates).relu()
        return self.q(rates)


def _read(layer: SpikingLayer, coding: Coding, level_phase: float) -> RateLayer:
    constant = torch.zeros_like(layer.threshold)
    phase = layer.v_init / layer.threshold
    if layer.step_bias is not None:
        constant = constant + per_channel(layer.step_bias.mean(0), layer.shape)
    if coding.once:
        phase = torch.full_like(phase, level_phase)
        constant = constant + layer.v_init - level_phase * layer.threshold
    return RateLayer(layer, constant, phase, coding)
