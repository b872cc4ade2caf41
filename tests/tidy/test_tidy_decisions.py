"""Decisions are numbered without a gap and each says its context, what was decided, what follows, and what enforces it."""

from __future__ import annotations

import re

import pytest
from source_tree import ROOT

FOLDER = ROOT / "docs" / "decisions"
NAME = re.compile(r"(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
SECTIONS = ("Context", "Decision", "Enforced by")
OPTIONAL = ("Consequences", "Alternatives")
FILES = sorted(FOLDER.iterdir())


def test_decisions_are_numbered_without_a_gap():
    numbers = [int(found[1]) for path in FILES if (found := NAME.fullmatch(path.name))]
    assert numbers == list(range(1, len(FILES) + 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_decision_has_its_sections_in_order(path):
    assert _faults(path.name, path.read_text(encoding="utf-8")) == []


def test_a_decision_without_a_section_is_noticed():
    whole = "# 0001: we do\n\n## Context\n\nx\n\n## Decision\n\nx\n\n## Enforced by\n\nx\n"
    assert _faults("0001-we-do.md", whole) == []
    assert _faults("0002-we-do.md", whole) == ["the title does not begin with its number"]
    for section in SECTIONS:
        assert _faults("0001-we-do.md", whole.replace(f"## {section}", "")) == [f"no section '{section}'"]
    assert _faults("0001-we-do.md", whole.replace("Decision\n\nx", "Decision\n")) == ["section 'Decision' is empty"]
    assert _faults("0001-we-do.md", whole.replace("## Enforced", "## Why\n\nx\n\n## Enforced")) == [
        "unknown section 'Why'"
    ]


def _faults(name: str, text: str) -> list[str]:
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    faults = [] if text.startswith(f"# {name[:4]}: ") else ["the title does not begin with its number"]
    faults += [f"no section '{each}'" for each in SECTIONS if each not in sections]
    faults += [f"unknown section '{each}'" for each in sections if each not in {*SECTIONS, *OPTIONAL}]
    faults += [f"section '{each}' is empty" for each, body in sections.items() if not body.strip()]
    known = [
        each for each in ("Context", "Decision", "Consequences", "Alternatives", "Enforced by") if each in sections
    ]
    if known != [each for each in sections if each in known]:
        faults.append("the sections are out of order")
    return faults
