"""What is read from a checkpoint: the network, and all that is known about it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from dqn2snn.errors import EnvironmentMismatchError
from dqn2snn.io.checkpoints._preset import Preset, preset_differences
from dqn2snn.io.checkpoints._source import Source
from dqn2snn.io.zoo import Divide
from dqn2snn.play.envs import check_env, make_env

__all__ = ["Checkpoint", "Provenance", "checkpoint_of"]


@dataclass(frozen=True)
class Provenance:
    """Where a network comes from, and what was taken for granted because the file does not say it.

    Attributes:
        source: The file, the directory or the repository.
        rule: The reader that knew the format.
        framework: What wrote it, with its version if the file tells.
        sha256: Of the file; None for an agent of the zoo, which has a checksum of its own.
        assumptions: What the file does not say, in clauses.
    """

    source: str
    rule: str
    framework: str
    sha256: str | None = None
    assumptions: tuple[str, ...] = ()

    def __str__(self) -> str:
        assumed = f"; assumed: {', '.join(self.assumptions)}" if self.assumptions else ""
        return f"{self.source}: {self.framework}, read by the rule {self.rule!r}{assumed}"


@dataclass(frozen=True)
class Checkpoint:
    """A trained deep Q-network from a file.

    Attributes:
        name: Of the file, without its ending.
        network: Maps observations, float32 ``[B, *observation_shape]``, or uint8 if they are Atari frames, to Q-values
            ``[B, num_actions]``; float32, in evaluation mode, its parameters frozen.
        observation_shape: Shape of one observation; None for a module of the caller's.
        num_actions: Number of Q-values; None for a module of the caller's.
        env_id: The gymnasium id of its environment; empty if neither the file nor its name tells.
        preset: Its preprocessing; None if it takes observations as the environment gives them.
        provenance: Where it comes from, and what was assumed.
    """

    name: str
    network: nn.Module
    observation_shape: tuple[int, ...] | None
    num_actions: int | None
    env_id: str
    preset: Preset | None
    provenance: Provenance

    def check_environment(self, env_id: str) -> None:
        """Refuse an environment that is not what the network was trained on, as far as one can know.

        Args:
            env_id: Gymnasium id of the environment.

        Raises:
            EnvironmentMismatchError: If the preprocessing, the observations or the actions differ; the message names
                what does.

        Example:
            >>> from dqn2snn.io.checkpoints import load_q_network
            >>> load_q_network("cartpole").check_environment("Acrobot-v1")  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ...
            dqn2snn.errors.EnvironmentMismatchError: Expected observations of shape (4,), ... Found shape (6,) ...
        """
        if self.preset is not None and (differences := preset_differences(self.preset, env_id)):
            raise EnvironmentMismatchError(
                f"Expected an environment with the preset {self.preset.name!r}, as {self.name} was trained. Found "
                f"{', '.join(differences)} in {env_id}. Use the id that it was trained on, or name another preset if "
                "it was trained otherwise."
            )
        env = make_env(env_id)
        try:
            if self.observation_shape is not None and self.num_actions is not None:
                check_env(env, self.observation_shape, self.num_actions)
            dtype = env.observation_space.dtype
        finally:
            env.close()
        if self._takes_bytes and dtype != "uint8":
            raise EnvironmentMismatchError(
                f"Expected frames of bytes, which {self.name} divides by 255. Found observations of {dtype} in "
                f"{env_id}. Use the environment that it was trained on."
            )

    @property
    def _takes_bytes(self) -> bool:
        return isinstance(self.network, nn.Sequential) and isinstance(self.network[0], Divide)


def checkpoint_of(
    source: Source,
    network: nn.Module,
    observation_shape: tuple[int, ...] | None,
    num_actions: int | None,
    *,
    rule: str,
    framework: str,
    env_id: str = "",
    preset: Preset | None = None,
    assumptions: tuple[str, ...] = (),
) -> Checkpoint:
    """Say of a network what a reader knows: how readers make what they return.

    Args:
        source: The file.
        network: Its network, ready to be used.
        observation_shape: Shape of one observation.
        num_actions: Number of Q-values.
        rule: Name of the reader.
        framework: What wrote the file.
        env_id: The environment, if the file tells.
        preset: How frames were preprocessed.
        assumptions: What the file does not tell.

    Returns:
        The checkpoint.
    """
    provenance = Provenance(str(source.path), rule, framework, source.sha256, assumptions)
    return Checkpoint(source.path.stem, network, observation_shape, num_actions, env_id, preset, provenance)
