"""Publishing on the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from dqn2snn._utils.extras import require
from dqn2snn.errors import CheckpointError
from dqn2snn.io.sharing._files import save_pretrained

if TYPE_CHECKING:
    from dqn2snn.network import SpikingQNetwork

__all__ = ["push_to_hub"]


def push_to_hub(
    snn: SpikingQNetwork, repository: str, *, private: bool = False, revision: str | None = None, **about: Any
) -> str:
    """Publish a network on the Hugging Face Hub, with its model card.

    Args:
        snn: The network.
        repository: ``"user/name"``; made where there is none.
        private: Whether a new repository is.
        revision: Branch to push to.
        **about: What `save_pretrained` takes: ``env_id``, ``comparison``, ``license``.

    Returns:
        str: The address of the commit.

    Raises:
        CheckpointError: If the Hub cannot be reached or refuses.
        MissingExtraError: If huggingface-hub is not installed.
    """
    hub = require("huggingface_hub", extra="hub")
    api = hub.HfApi()
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(snn, folder, **about)
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                revision=revision,
                commit_message="A spiking Q-network of dqn2snn",
            )
        except (OSError, ValueError) as error:  # its errors derive from these
            raise CheckpointError(
                f"Expected to publish at {repository!r} on the Hugging Face Hub. Found: {_first_line(error)} Log in "
                "with `hf auth login`, or check name and network."
            ) from error
    return str(commit)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
