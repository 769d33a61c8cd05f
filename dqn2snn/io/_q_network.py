"""The trained Q-network that everything takes, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from dqn2snn.errors import EnvironmentMismatchError
from dqn2snn.io._layers import Divide
from dqn2snn.io._preset import Preset, preset_differences
from dqn2snn.play.envs import check_env, make_env


@dataclass(frozen=True)
class Provenance:
    """Where a network comes from, and what was taken for granted because the file does not say it.

    Attributes:
        source: The file, the directory, the repository or the class of a live module.
        rule: The reader that knew the format; "zoo" for an agent, "module" for a module of the caller's.
        framework: Program that wrote it, with its version if the file tells.
        sha256: Checksum of the file; None for an agent of the zoo, which has one of its own, and for a live module.
        assumptions: Clauses on what the file does not say.
    """

    source: str
    rule: str
    framework: str
    sha256: str | None = None
    assumptions: tuple[str, ...] = ()

    def __str__(self) -> str:
        assumed = f"; assumed: {', '.join(self.assumptions)}" if self.assumptions else ""
        return f"{self.source}: {self.framework}, read by the rule {self.rule!r}{assumed}"


class QNetwork(nn.Module):
    """A trained deep Q-network with what is known about it: ``q = dqn(observations)``.

    It shares all that a module has, layers, parameters and hooks, with the module that it wraps, under the same names:
    state dicts, traces and plans are those of the module itself. `dqn2snn.load_q_network` makes one.

    Args:
        module: Maps observations ``[B, *observation_shape]`` to Q-values ``[B, num_actions]``. It is not copied.
        name: A short name.
        provenance: Where it comes from, and what was assumed.
        env: Gymnasium id of its environment; empty if unknown.
        observation_shape: Shape of one observation; None if only the caller knows.
        num_actions: Number of Q-values; None if only the caller knows.
        preset: Its preprocessing; None if it takes observations as the environment gives them.
        config: The content of an agent's ``config.json``: how it was trained and how it scored. Empty for others.

    Attributes:
        module: The module without what is known about it.
        env_id: The gymnasium id of its environment; empty if unknown.

    Example:
        >>> import torch
        >>> from dqn2snn import load_q_network
        >>> dqn = load_q_network("cartpole")
        >>> dqn(torch.zeros(1, 4)).shape, dqn.env_id, dqn.config["evaluation"]["mean"]
        (torch.Size([1, 2]), 'CartPole-v1', 500.0)
        >>> dqn
        QNetwork(
          cartpole of CartPole-v1
          (0): Linear(in_features=4, out_features=64, bias=True)
          (1): ReLU()
          (2): Linear(in_features=64, out_features=64, bias=True)
          (3): ReLU()
          (4): Linear(in_features=64, out_features=2, bias=True)
        )
    """

    module: nn.Module

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str,
        provenance: Provenance,
        env: str = "",
        observation_shape: tuple[int, ...] | None = None,
        num_actions: int | None = None,
        preset: Preset | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        # Sharing the registries, instead of registering the module, adds no prefix to the names of layers. `forward`
        # goes to the layers directly, so that tracers (torch.fx, ONNX) do not meet a module that has no name.
        self.__dict__.update(vars(module))
        self.__dict__["module"] = module
        self.name = name
        self.provenance = provenance
        self.env_id = env
        self.observation_shape = observation_shape
        self.num_actions = num_actions
        self.preset = preset
        self.config: dict[str, Any] = dict(config or {})

    def forward(self, observations: Tensor) -> Tensor:
        """Q-values.

        Args:
            observations: ``[B, *observation_shape]``, float32, or uint8 if they are Atari frames.

        Returns:
            ``[B, num_actions]``.
        """
        q: Tensor = self.module.forward(observations)
        return q

    def train(self, mode: bool = True) -> QNetwork:
        """Switch layers and module to training or evaluation mode.

        Args:
            mode: True for training.

        Returns:
            The network itself.
        """
        self.module.train(mode)
        self.training = mode
        return self

    def extra_repr(self) -> str:
        """Name and environment, in the representation of the module."""
        return f"{self.name} of {self.env_id}" if self.env_id else self.name

    def check_environment(self, env: str) -> None:
        """Refuse an environment that is not what the network was trained on, as far as one can know.

        Args:
            env: Gymnasium id of the environment.

        Raises:
            EnvironmentMismatchError: If the preprocessing, the observations or the actions differ; the message names
                what does.

        Example:
            >>> from dqn2snn import load_q_network
            >>> load_q_network("cartpole").check_environment("Acrobot-v1")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            dqn2snn.errors.EnvironmentMismatchError: Expected observations of shape (4,), ... Found shape (6,) ...
        """
        if self.preset is not None and (differences := preset_differences(self.preset, env)):
            raise EnvironmentMismatchError(
                f"Expected an environment with the preset {self.preset.name!r}, as {self.name} was trained. Found "
                f"{', '.join(differences)} in {env}. Use the id that it was trained on, or name another preset if "
                "it was trained otherwise."
            )
        made = make_env(env)
        try:
            if self.observation_shape is not None and self.num_actions is not None:
                check_env(made, self.observation_shape, self.num_actions)
            dtype = made.observation_space.dtype
        finally:
            made.close()
        if self._takes_bytes and dtype != "uint8":
            raise EnvironmentMismatchError(
                f"Expected frames of bytes, which {self.name} divides by 255. Found observations of {dtype} in "
                f"{env}. Use the environment that it was trained on."
            )

    @property
    def _takes_bytes(self) -> bool:
        return isinstance(next(self.children(), None), Divide)
