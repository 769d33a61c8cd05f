"""Repositories of the Hugging Face Hub: their names, and their files from the hub or from its cache."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dqn2snn._utils.extras import require
from dqn2snn.errors import CheckpointError


def is_hub_id(name: str) -> bool:
    """Tell whether a name is that of a repository on the Hugging Face Hub.

    Args:
        name: Any string.

    Returns:
        Whether it has the form ``"user/name"``.

    Example:
        >>> is_hub_id("somebody/road-runner"), is_hub_id("../road-runner")
        (True, False)
    """
    return re.fullmatch(r"\w[\w-]*/\w[\w.-]*", name, re.ASCII) is not None


def download(repository: str, patterns: Sequence[str], **options: Any) -> Path:
    """Fetch files of a repository, or take them from the hub's cache, which serves offline too.

    Args:
        repository: ``"user/name"``.
        patterns: Names of the files, with wildcards. Files in directories are left where they are.
        **options: Of huggingface_hub's ``snapshot_download``: ``revision``, ``token``, ``cache_dir``, ...

    Returns:
        The directory with the files.

    Raises:
        CheckpointError: If the repository, or the network, is not there.
        MissingExtraError: If the extra ``hub`` is not installed.
    """
    hub = require("huggingface_hub", extra="hub")
    try:
        found = hub.snapshot_download(
            repository, allow_patterns=list(patterns), ignore_patterns=["*/*"], **options
        )
        return Path(found)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            "Expected an agent, a checkpoint or a spiking network on the Hugging Face Hub, or in its cache. "
            f"Found none at {repository!r}: {str(error).strip().splitlines()[0]} Check the name."
        ) from error
