"""Optional dependencies: imported when first needed, refused with the pip line that installs them."""

from __future__ import annotations

import importlib
from typing import Any

from dqn2snn.errors import MissingExtraError


def require(module: str, *, extra: str) -> Any:
    """Import an optional module.

    Args:
        module: Dotted module name, for example ``"norse.torch"``.
        extra: The extra of dqn2snn that installs it.

    Returns:
        The imported module. The type is ``Any`` because optional packages need not be there for a type check.

    Raises:
        MissingExtraError: If the package is not installed. A package that is installed but broken raises
            its own error instead, since installing it again would not help.

    Example:
        >>> require("math", extra="all").sqrt(4.0)
        2.0
        >>> require("no_such_package", extra="norse")
        Traceback (most recent call last):
        ...
        dqn2snn.errors.MissingExtraError: no_such_package is not installed. Run: pip install "dqn2snn[norse]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(f'{package} is not installed. Run: pip install "dqn2snn[{extra}]"') from None
