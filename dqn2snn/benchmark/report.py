"""Results as text: ratios, and whoever could not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dqn2snn.benchmark.ratios import Clock, Comparison, comparisons, incorrect
from dqn2snn.table import format_table

__all__ = ["markdown", "text"]

_HEADER = ("network", "threads", "B", "T", "fastest correct peer", "event", "torch", "event", "torch")
_ABOVE = "times as fast as that peer (event, torch); in forward passes of the DQN (event, torch)"


def text(results: Mapping[str, Any], clock: Clock = "cpu") -> str:
    """The results for a terminal.

    Args:
        results: The content of the JSON file.
        clock: CPU time or wall time.

    Returns:
        str: Some lines, without a line end.
    """
    rows = [_row(comparison) for comparison in comparisons(results, clock)]
    title = f"{'CPU' if clock == 'cpu' else 'Wall'} time, least of all rounds: {_ABOVE}."
    return "\n".join([title, "", format_table(_HEADER, rows), "", *_remarks(results)])


def markdown(results: Mapping[str, Any], network: str, threads: int, clock: Clock = "cpu") -> str:
    """The ratios of one network for a page.

    Args:
        results: The content of the JSON file.
        network: Its name.
        threads: Threads of torch.
        clock: CPU time or wall time.

    Returns:
        str: A table in Markdown, with a line end.
    """
    header = (
        "B",
        "T",
        "fastest correct peer",
        "event: times as fast",
        "torch: times as fast",
        "event: DQN passes",
        "torch: DQN passes",
    )
    rows = [
        _row(comparison)[2:]
        for comparison in comparisons(results, clock)
        if comparison.network == network and comparison.threads == threads
    ]
    lines = [header, ("---:", "---:", "---", *("---:" for _ in header[3:])), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(comparison: Comparison) -> tuple[str, ...]:
    return (
        comparison.network,
        str(comparison.threads),
        str(comparison.batch),
        str(comparison.num_steps),
        comparison.peer or "none timed",
        *(_ratio(comparison.to_peer.get(name)) for name in ("event", "torch")),
        *(_ratio(comparison.to_dqn.get(name)) for name in ("event", "torch")),
    )


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _remarks(results: Mapping[str, Any]) -> Iterator[str]:
    for network, found in results["networks"].items():
        for name, outcome in incorrect(results, network).items():
            yield (
                f"{network}: {name} does not give the reference's spikes: {sum(outcome['mismatches'])} of "
                f"{outcome['counts']} counts differ, {outcome['differing_outputs']} of {outcome['outputs']} outputs, "
                f"and {outcome['in_cells']} outputs in the cells."
            )
        for name, reason in found["unavailable"].items():
            yield f"{network}: {name} takes no part: {reason}"
    for cell in results["cells"]:
        for name, entry in cell["contestants"].items():
            place = f"{cell['network']}: T={cell['num_steps']} B={cell['batch']}, {cell['threads']} threads"
            if "skipped" in entry:
                yield f"{place}: {name} was not timed: {entry['skipped']}."
    memory = results["memory"]
    if memory:
        yield f"Peak extra memory, {memory['network']}, T={memory['num_steps']} B={memory['batch']}, in MiB:"
        for name, entry in memory["contestants"].items():
            yield f"  {name}: {entry.get('mebibytes', entry.get('skipped'))}"
