"""What stands in no file: open work, paths of somebody's machine, addresses of package registries."""

from __future__ import annotations

import re

import pytest
from source_tree import ROOT, text_files

# put together here, so that this file does not hold what it looks for
OPEN_WORK = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
MACHINES = re.compile(
    "|".join(
        (
            "/wo" + r"rk/(main|shared|lib)",
            "/ho" + r"me/[a-z]+/",
            "/Us" + r"ers/[A-Za-z]+/",
            "/tm" + r"p/(brief|bash_jobs)",
            "(files.python" + r"hosted|py" + r"pi|registry.npm" + r"js)\.(org|com)",
            "(arti" + r"factory|de" + r"vpi)\b",
            "(this|our|another|helper|agent) ses" + r"sion\b",
        )
    )
)
FILES = [path for path in text_files() if path.suffix != ".lock"]


def test_no_open_work_stands_in_the_sources():
    assert [fault for path in FILES for fault in _lines(path.read_text(encoding="utf-8"), OPEN_WORK, path.name)] == []


def test_nothing_tells_of_a_machine_or_a_registry():
    files = [*FILES, *(path for path in text_files() if path.suffix == ".lock")]
    found = [
        fault
        for path in files
        for fault in _lines(path.read_text(encoding="utf-8"), MACHINES, str(path.relative_to(ROOT)))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["# TO" + "DO: later", "x = 1  # FIX" + "ME"])
def test_open_work_is_noticed(text):
    assert _lines(text, OPEN_WORK, "x")


@pytest.mark.parametrize("text", ["cd /wo" + "rk/main", "https://py" + "pi.org/simple", "/ho" + "me/kim/x"])
def test_a_machine_or_a_registry_is_noticed(text):
    assert _lines(text, MACHINES, "x")


@pytest.mark.parametrize("text", ["a session of its own", "the work/life of it", "todo: a list of things to do"])
def test_other_text_passes(text):
    assert not _lines(text, OPEN_WORK, "x")
    assert not _lines(text, MACHINES, "x")


def _lines(text: str, pattern: re.Pattern[str], name: str) -> list[str]:
    if pattern.search(text) is None:
        return []
    return [f"{name}:{number}" for number, line in enumerate(text.splitlines(), start=1) if pattern.search(line)]
