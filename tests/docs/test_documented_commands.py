"""Commands in the documents exist, with the options that they are shown with."""

from __future__ import annotations

import re
import shlex

import pytest
from documents import ROOT, documents
from scripts.reference import cli

COMMANDS = {each.words: each for each in cli.commands()}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# a decision of the past may name a command of the past
PAGES = [each for each in documents() if not each.name.startswith("docs/decisions/")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell_blocks_use_what_there_is(page):
    lines = [line for fence in page.fences("sh") for line in fence.replace("\\\n", " ").splitlines()]
    assert [fault for line in lines if (fault := _fault(line))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_use_what_there_is(page):
    assert [fault for line in page.code() if (fault := _fault(line))] == []


def test_alerts_tell_operators_commands_that_there_are():
    text = (ROOT / "deploy" / "prometheus" / "tollkeeper-alerts.yml").read_text(encoding="utf-8")
    told = [line for line in re.findall(r"`([^`]+)`", text) if line.startswith("tollkeeper ")]
    assert "tollkeeper providers status" in told
    assert [fault for line in told if (fault := _fault(line))] == []


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "tollkeeper nothing",
        "tollkeeper keys forge",
        "tollkeeper serve --nothing",
        "tollkeeper db --json",
    ],
)
def test_a_command_that_is_not_there_is_noticed(line):
    assert _fault(line)


@pytest.mark.parametrize("line", ["make run", "tollkeeper keys create --name x # why", "tollkeeper serve", "ls"])
def test_a_command_that_is_there_passes(line):
    assert _fault(line) == ""


def _fault(line: str) -> str:
    """Return what is wrong with a line that calls make or tollkeeper; "" for a good line and for any other."""
    words = shlex.split(line, comments=True) if line.startswith(("make ", "tollkeeper ")) else []
    if not words:
        return ""
    if words[0] == "make":
        return "" if all(word in TARGETS for word in words[1:] if "=" not in word) else line
    plain = [word for word in words[1:] if not word.startswith("-")]
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    found = next((COMMANDS[name] for length in (3, 2, 1) if (name := " ".join(plain[:length])) in COMMANDS), None)
    if found is None:
        is_group_help = bool(plain) and any(known.startswith(f"{' '.join(plain)} ") for known in COMMANDS)
        is_general = not plain or plain == ["COMMAND"]
        return "" if (is_group_help or is_general) and options <= {"--help", "--version"} else line
    return "" if options <= found.option_names | {"--help"} else line
