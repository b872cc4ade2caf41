"""Words of identifiers on pages: every class, and everything that the audit log tells of, has one in each language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tollkeeper import control
from tollkeeper.domain.usage import Dimension
from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.words import CLASSES, Words

CONTROL = Path(control.__path__[0])
RECORDED = sorted(
    {
        action
        for file in CONTROL.rglob("*.py")
        for action in re.findall(r'(?:record\(|action=)\s*"([a-z_]+\.[a-z_]+)"', file.read_text())
    }
)


@pytest.mark.parametrize("action", RECORDED)
def test_what_the_audit_log_tells_of_has_words(action: str) -> None:
    english, korean = Words(catalogue_of("en")).act(action), Words(catalogue_of("ko")).act(action)
    assert english not in {action, korean}
    assert "." not in english


def test_there_are_actions_to_have_words_for() -> None:
    assert len(RECORDED) > 50


def test_every_billable_class_has_a_word() -> None:
    assert {each.value for each in Dimension} <= set(CLASSES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cache_read", "Cached input"),
        ("image:high:1024x1024", "Images (high:1024x1024)"),
        ("output@gpt-4o", "Output (gpt-4o)"),
        ("unheard_of", "unheard_of"),
    ],
)
def test_a_class_is_said_with_its_details(name: str, said: str) -> None:
    assert Words(catalogue_of("en")).say(name, "class") == said


def test_an_action_that_nobody_named_is_said_as_it_is() -> None:
    assert Words(catalogue_of("ko")).act("unheard.of") == "unheard.of"
