"""Every ```python block of the README and of docs/ runs, in the order of its page, in one namespace."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import matplotlib
import pytest

from dqn2snn.cli._parser import make_parser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[str]:
    """Python blocks of a page, each padded with empty lines so that a traceback shows the page's line."""
    return ["\n" * text.count("\n", 0, match.start(1)) + match[1] for match in BLOCK.finditer(text)]


def with_blocks() -> list[Path]:
    return [page for page in PAGES if blocks(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", with_blocks(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for source in blocks(page.read_text(encoding="utf-8")):
        if "stable_baselines3" in source:
            pytest.importorskip(
                "stable_baselines3", reason="needs a newer torch than the oldest that dqn2snn takes"
            )
        for library in ("sinabs", "spikingjelly"):
            if f"from {library}" in source:
                pytest.importorskip(library, reason="needs a newer Python than the oldest that dqn2snn takes")
        if "from atari." in source:
            pytest.importorskip("ale_py", reason="the Atari trainer needs the extra atari")
        exec(compile(source, str(page), "exec"), namespace)


def test_a_block_is_found_with_its_line_number() -> None:
    (source,) = blocks("# Title\n\n```python\n1 / 0\n```\n\n```text\nnot python\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile(source, "page", "exec"), {})
    assert raised.traceback[-1].lineno + 1 == 4


def test_every_command_line_is_one_that_the_parser_takes() -> None:
    command = re.compile(r"^(?:\$ |    )dqn2snn (.+)$", re.MULTILINE)
    texts = (page.read_text(encoding="utf-8").replace("\\\n", " ") for page in PAGES)  # lines that go on
    lines = [line for text in texts for line in command.findall(text)]
    assert lines
    for line in lines:
        assert make_parser().parse_args(shlex.split(line)).run


def test_every_relative_link_leads_to_a_file() -> None:
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in link.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken
