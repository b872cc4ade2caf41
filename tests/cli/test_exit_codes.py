"""How a command ends: 0 done, 1 refused or failed, 2 wrong usage; a refusal is one line on standard error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tollkeeper.cli.main import run


def exit_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tollkeeper", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code is None or isinstance(ended.value.code, int)
    return ended.value.code or 0


def test_done_is_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(monkeypatch, "estimate", "--model", "gpt-4o-mini", "--input", "1", "--output", "1") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("estimate", "--model", "no-such-model", "--input", "1", "--output", "1"), "no-such-model"),
        (("keys", "list", "--database", "sqlite:///none.db"), "tollkeeper init"),
        (("keys", "list", "--database", "mysql://somewhere"), "database.url"),
        (("db", "verify", "--config", "none.toml"), "none.toml"),
    ],
    ids=["not found", "no database", "a URL that is none", "no settings file"],
)
def test_refused_is_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert exit_of(monkeypatch, *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tollkeeper: ")
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("estimate", "--model", "gpt-4o"), "--input"),
        (("estimate", "--model", "gpt-4o", "--input", "1", "--output", "1", "--tier", "flex", "--batch"), "--batch"),
        (("prices", "import", "prices.txt"), "prices.txt"),
        (("init", "--org", "acme", "--timezone", "Mars/Olympus"), "Mars/Olympus"),
    ],
)
def test_options_that_cannot_be_understood_are_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert exit_of(monkeypatch, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tollkeeper: ")
    assert words in line
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [("sreve",), ("serve", "--prot", "1"), ("serve", "--port", "many"), ("usage", "--by", "colour"), ("init",)],
)
def test_options_that_there_are_not_are_2_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert exit_of(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err != ""
