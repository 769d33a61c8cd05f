"""The methods by which a spiking network is saved, loaded and published with its model card."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from dqn2snn._utils.extras import require
from dqn2snn.errors import ArgumentError, CheckpointError
from dqn2snn.plan.sharing._files import Compared, compared, read_directory, write_directory
from dqn2snn.plan.spiking_plan import SpikingPlan

Network = TypeVar("Network", bound="Sharing")


class Sharing:
    """Saves, loads and publishes a network, as those who know huggingface_hub's ``ModelHubMixin`` expect it.

    Attributes:
        plan: All that the network is.
        backend: Whose neurons it has.
        env_id: Gymnasium id of the environment where it plays; empty if unknown.
        config: The content of the ``config.json`` that the network was loaded with; empty for others.
    """

    plan: SpikingPlan
    backend: str
    env_id: str
    config: dict[str, Any]

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        *,
        comparison: Compared | None = None,
        license: str | None = None,  # noqa: A002
    ) -> Path:
        """Write the network to a directory, with its model card.

        Args:
            save_directory: Where to; the three files in it are replaced, others stay.
            comparison: Both scores and how far the networks agree, from `dqn2snn.compare_policies`; by default those
                that the network was loaded with.
            license: Licence of the weights, as the Hub abbreviates it, ``"mit"``; by default the one that the network
                was loaded with.

        Returns:
            Path: The directory.

        Raises:
            ArgumentError: If `comparison` is of another type.
            CheckpointError: If the files cannot be written.
            PlanError: If the plan's numbers are not on the grid that it names.

        Example:
            >>> import dqn2snn
            >>> dqn = dqn2snn.load_q_network("cartpole")
            >>> observations = dqn2snn.collect_observations(dqn, 300, progress=False)
            >>> snn = dqn2snn.convert(dqn, observations, num_steps=8)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     again = dqn2snn.SpikingQNetwork.from_pretrained(snn.save_pretrained(folder))
            >>> again.plan.num_steps, again.env_id
            (8, 'CartPole-v1')
        """
        return write_directory(
            self.plan,
            Path(save_directory),
            {
                "backend": self.backend,
                "env_id": self.env_id or None,
                "license": license or self.config.get("license"),
            },
            self.config.get("comparison") if comparison is None else compared(comparison),
        )

    @classmethod
    def from_pretrained(
        cls: type[Network],
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        backend: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> Network:
        """Load a network from a directory or from the Hugging Face Hub.

        Args:
            pretrained_model_name_or_path: A directory that `save_pretrained` wrote, or ``"user/name"`` on the Hub
                (extra ``hub``), which is downloaded once and then read from the Hub's cache, offline too.
            backend: Whose neurons to build; by default those of the network that was saved.
            revision: Branch, tag or commit on the Hub.
            token: Token of the Hub; by default the one that ``hf auth login`` has stored.
            cache_dir: Where downloads are kept; by default the Hub's cache.
            local_files_only: Read the cache alone.

        Returns:
            Network: The network, the same bit by bit, with its `env_id` and its `config`.

        Raises:
            CheckpointError: If there is none, or files are damaged, of another version, or not of one network.
            MissingExtraError: If it is on the Hub and huggingface-hub is not installed.
        """
        name = os.fspath(pretrained_model_name_or_path)
        options = {"token": token, "cache_dir": cache_dir, "local_files_only": local_files_only}
        plan, config = read_directory(name, revision=revision, **options)
        make: Callable[..., Network] = cls
        try:
            network = make(plan, backend or config["backend"], env=config["env_id"] or "")
        except ArgumentError:
            if backend is not None:
                raise
            raise CheckpointError(
                f"Expected neurons of a backend that is installed. Found that {name} asks for {config['backend']!r}. "
                'Install its package, or pass backend="snntorch".'
            ) from None
        network.config = config
        return network

    def push_to_hub(
        self,
        repo_id: str,
        *,
        comparison: Compared | None = None,
        license: str | None = None,  # noqa: A002
        commit_message: str = "A spiking Q-network of dqn2snn",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str:
        """Publish the network on the Hugging Face Hub, with its model card.

        Args:
            repo_id: ``"user/name"``; made where there is none.
            comparison: From `dqn2snn.compare_policies`, for the card.
            license: Licence of the weights, for the card.
            commit_message: Message of the commit.
            private: Whether a new repository is.
            token: Token of the Hub; by default the one that ``hf auth login`` has stored.
            branch: To push to; by default the main one.
            create_pr: Whether to propose the files as a pull request.

        Returns:
            str: The address of the commit.

        Raises:
            ArgumentError: If `comparison` is of another type.
            CheckpointError: If the Hub cannot be reached or refuses.
            MissingExtraError: If huggingface-hub is not installed.
        """
        api = require("huggingface_hub", extra="hub").HfApi(token=token)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, comparison=comparison, license=license)
            try:
                api.create_repo(repo_id, private=private, exist_ok=True)
                commit = api.upload_folder(
                    repo_id=repo_id,
                    folder_path=folder,
                    revision=branch,
                    create_pr=create_pr,
                    commit_message=commit_message,
                )
            except (OSError, ValueError) as error:  # its errors derive from these
                raise CheckpointError(
                    f"Expected to publish at {repo_id!r} on the Hugging Face Hub. Found: {_first_line(error)} Log in "
                    "with `hf auth login`, or check name and network."
                ) from error
        return str(commit)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
