"""Results as text: ratios, and whoever could not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dqn2snn._utils.table import as_markdown, format_table
from measuring.speed.ratios import Clock, Comparison, comparisons, incorrect

__all__ = ["checks_markdown", "markdown", "memory_markdown", "text"]

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


def markdown(
    results: Mapping[str, Any], network: str, threads: int, clock: Clock = "cpu", *, every_step: bool = False
) -> str:
    """The ratios of one network for a page.

    Args:
        results: The content of the JSON file.
        network: Its name.
        threads: Threads of torch.
        clock: CPU time or wall time.
        every_step: Compare with those peers that compute the first layer at every step.

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
        for comparison in comparisons(results, clock, every_step=every_step)
        if comparison.network == network and comparison.threads == threads
    ]
    return as_markdown(header, rows, left=0)


def memory_markdown(results: Mapping[str, Any]) -> str:
    """Peak memory for a page.

    Args:
        results: The content of the JSON file.

    Returns:
        str: A table in Markdown, with a line end.
    """
    entries = results["memory"].get("contestants", {}).items()
    rows = [(name, f"{entry['mebibytes']:,.0f}") for name, entry in entries if "mebibytes" in entry]
    return as_markdown(("contestant", "peak, MiB"), rows)


def checks_markdown(results: Mapping[str, Any]) -> str:
    """Who took part, how, and whether with the reference's spikes, for a page.

    Args:
        results: The content of the JSON file.

    Returns:
        str: A table in Markdown, with a line end.
    """
    spiking = {name: each for name, each in results["contestants"].items() if each["kind"] != "dqn"}
    rows = [(f"`{name}`", each["note"], _verdict(results, name)) for name, each in spiking.items()]
    return as_markdown(("contestant", "what it is", "spike counts that differ"), rows, left=3)


def _verdict(results: Mapping[str, Any], name: str) -> str:
    reasons = {network["unavailable"].get(name) for network in results["networks"].values()} - {None}
    if reasons:
        return f"takes no part: {'; '.join(sorted(map(str, reasons)))}"
    outcomes = [
        network["checks"][name] for network in results["networks"].values() if name in network["checks"]
    ]
    wrong = sum(sum(outcome["mismatches"]) for outcome in outcomes)
    in_cells = sum(
        incorrect(results, network).get(name, {}).get("in_cells", 0) for network in results["networks"]
    )
    found = f"{wrong:,} of {sum(outcome['counts'] for outcome in outcomes):,}"
    return f"{found}; {in_cells:,} outputs in the cells" if in_cells else found


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
