"""The changelog keeps its format: releases newest first, known headings, entries as sentences."""

from __future__ import annotations

import re
import tomllib

import pytest
from documents import ROOT, document

_RELEASE = re.compile(r"^## \[(Unreleased|(\d+\.\d+\.\d+))\](?: - (\d{4}-\d{2}-\d{2}))?$")
_HEADINGS = {"Security", "Money and limits", "Added", "Changed", "Deprecated", "Fixed", "Removed"}


def test_changelog_is_well_formed():
    assert _faults(document("CHANGELOG.md").text) == []


def test_the_package_is_at_the_newest_release_or_before_the_first():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = [found[2] for line in document("CHANGELOG.md").text.splitlines() if (found := _RELEASE.match(line))]
    numbers = [number for number in released if number]
    assert not numbers or numbers[0] == version


@pytest.mark.parametrize(
    "text",
    [
        "# Changelog\n## [1.0.0]\n",
        "# Changelog\n## [Unreleased]\n### Improved\n",
        "# Changelog\n## [0.1.0] - 2026-01-01\n## [0.2.0] - 2026-02-01\n",
        "# Changelog\n## 0.1.0\n",
        "# Changelog\n## [Unreleased]\n### Added\n- no full stop\n",
    ],
)
def test_a_fault_is_noticed(text):
    assert _faults(text)


def _faults(text: str) -> list[str]:
    faults = [] if text.startswith("# Changelog\n") else ["the title"]
    dates = []
    for line in text.splitlines():
        if line.startswith("## "):
            found = _RELEASE.match(line)
            if found is None or bool(found[2]) != bool(found[3]):
                faults.append(line)
            elif found[3]:
                dates.append(found[3])
        elif line.startswith("### ") and line.removeprefix("### ") not in _HEADINGS:
            faults.append(line)
    entries = re.findall(r"^- .*(?:\n  .*)*", text, re.MULTILINE)
    faults += [entry for entry in entries if not entry.rstrip().endswith(".")]
    return faults + ([] if dates == sorted(dates, reverse=True) else ["the order of releases"])
