"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import dqn2snn

__all__ = ["available_memory", "machine", "versions"]


def machine() -> dict[str, Any]:
    """Processor, cores, memory and instruction sets, without names of hosts or users.

    Example:
        >>> sorted(machine())
        ['architecture', 'cores', 'cpu', 'event_instruction_set', 'memory_gib', 'system', 'torch_instruction_set']
    """
    return {
        "cpu": _cpu(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(_physical_memory() / 2**30, 1),
        "system": platform.system(),
        "torch_instruction_set": torch.backends.cpu.get_cpu_capability(),
        "event_instruction_set": _event_instruction_set(),
    }


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Versions of installed distributions; None for those that are not."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in sorted({"torch", "numpy", *packages}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return {**found, "dqn2snn": dqn2snn.__version__}


def available_memory() -> int:
    """Bytes that can be had without swapping, as far as the system says."""
    try:
        fields = dict(
            line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        )
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _physical_memory() // 2


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # where there is no sysconf, or it does not know
        return 8 * 2**30


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _event_instruction_set() -> str | None:
    try:
        from dqn2snn.engine.available import instruction_set
    except ImportError:
        return None
    return instruction_set()
