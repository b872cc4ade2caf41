"""Texts of the pages: every one has its Korean, with the same places for names; files of others are as their makers made them."""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "src" / "tollkeeper" / "web" / "static" / "vendor"
PLACES = re.compile(r"%\((\w+)\)s")


def translations() -> Any:
    path = str(ROOT / "scripts" / "write-translations")
    loader = importlib.machinery.SourceFileLoader("write_translations", path)
    spec = importlib.util.spec_from_loader("write_translations", loader)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    loader.exec_module(made)
    return made


def test_every_text_of_the_pages_has_its_korean() -> None:
    script = translations()
    catalogue, missing = script.updated("ko", script.gather())
    assert missing == []
    assert len(catalogue) > 100


def test_a_translation_has_the_places_of_its_text() -> None:
    script = translations()
    catalogue, _missing = script.updated("ko", script.gather())
    for message in catalogue:
        if not message.id:
            continue
        one = message.id[-1] if isinstance(message.id, list | tuple) else message.id
        own = message.string[0] if isinstance(message.string, list | tuple) else message.string
        assert {*PLACES.findall(one)} == {*PLACES.findall(own)}, one


def test_every_translation_can_be_put_into_a_page() -> None:
    script = translations()
    catalogue, _missing = script.updated("ko", script.gather())
    for message in catalogue:
        if not message.id:
            continue
        for text in message.string if isinstance(message.string, list | tuple) else [message.string]:
            assert text % dict.fromkeys(PLACES.findall(text), "1"), text  # a bare % would fail where it is shown


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("echarts-6.1.0.common.min.js", "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"),
        ("htmx-2.0.11.min.js", "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"),
    ],
)
def test_a_file_of_others_is_as_its_maker_published_it(name: str, digest: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    assert (VENDOR / f"{name.partition('-')[0]}.LICENSE").exists()
