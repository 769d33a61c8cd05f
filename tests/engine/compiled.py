"""Tests that need the compiled extension; without it, which is allowed, they are skipped and say so."""

from __future__ import annotations

import pytest

from dqn2snn.engine.available import why_not

__all__ = ["needs_extension"]

needs_extension = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
