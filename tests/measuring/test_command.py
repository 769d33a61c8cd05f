"""`python docs/measure.py`: every measurement and every page by its name."""

from __future__ import annotations

import importlib

import pytest

from measuring.__main__ import MEASUREMENTS, main
from measuring.pages import NAMES, page_module


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_says_what_it_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(importlib.import_module(MEASUREMENTS[name]).main)
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python docs/measure.py {name}")


@pytest.mark.parametrize("name", NAMES)
def test_every_page_says_how_it_is_filled(name: str) -> None:
    assert f"python docs/measure.py fill {name}" in str(page_module(name).__doc__)


def test_help_names_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == main([]) == 0
    main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*MEASUREMENTS, *NAMES))


@pytest.mark.parametrize("arguments", [["spead"], ["fill", "spead"]])
def test_others_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Found 'spead'" in capsys.readouterr().err
