"""Training data of fine-tunings: observations with the DQN's Q-values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dqn2snn.errors import CalibrationError
from dqn2snn.plan import SpikingPlan
from dqn2snn.plan.graph import LayerGraph
from dqn2snn.recipes.finetune._loss import Distillation, taught
from dqn2snn.recipes.finetune._trained import check_trainable
from dqn2snn.tracing.observations import Observations, check_observations

_HELD_OUT = 0.1
_MOST_HELD_OUT = 2000


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Observations to train on and to judge by, labelled by the DQN.

    Attributes:
        observations: To train on, `[N, *input_shape]`.
        targets: The DQN's Q-values of them, `[N, A]`.
        held_out: Others, on which the network is judged.
        held_out_targets: The DQN's Q-values of these.
        teacher: The plan as it was, whose ReLU activations are the DQN's.
        loss: Loss of Q-values.
    """

    observations: Tensor
    targets: Tensor
    held_out: Tensor
    held_out_targets: Tensor
    teacher: SpikingPlan
    loss: Distillation

    @staticmethod
    def of(plan: SpikingPlan, graph: LayerGraph, observations: Observations, seed: int) -> TrainingData:
        """Label observations and hold some out.

        Args:
            plan: A plan in raw numbers.
            graph: The DQN.
            observations: `[N, *input_shape]`.
            seed: Determines which are held out.

        Returns:
            TrainingData: The data, of which a tenth is held out, up to 2000.

        Raises:
            CalibrationError: If there are fewer than two.
            ObservationError: If they have the wrong shape, or hold NaN or infinity.
            PlanError: If the plan cannot be trained, or is not one of the graph.
        """
        check_trainable(plan, graph)
        batch = check_observations(observations, graph.input_shape)
        if len(batch) < 2:
            raise CalibrationError(
                f"Expected observations to learn from and others to judge by. Found {len(batch)}. "
                "Collect a few thousand with dqn2snn.collect_observations."
            )
        targets = taught(graph, batch)
        order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(seed))
        count = max(1, min(_MOST_HELD_OUT, int(_HELD_OUT * len(batch))))
        judged, trained = order[:count], order[count:]
        return TrainingData(
            batch[trained],
            targets[trained],
            batch[judged].float(),
            targets[judged],
            plan.cast(torch.float32),
            Distillation.of(targets),
        )
