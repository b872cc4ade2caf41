"""Tests of the command `models`: what can be called by the settings, narrowed by name and provider, for people and programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tollkeeper.cli.models import models
from tollkeeper.domain.errors import InvalidRequest

app = typer.Typer()
app.command("models")(models)
SETTINGS = """
[[providers]]
name = "openai"
kind = "openai"
[[providers]]
name = "mine"
kind = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
[[models]]
name = "both"
deployments = [{ provider = "openai", model = "gpt-4o-mini" }, { provider = "mine", model = "gpt-4o-mini" }]
"""


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tollkeeper.toml").write_text(SETTINGS)
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "XAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


def call(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout, result.stderr


def found(*arguments: str) -> list[dict[str, Any]]:
    return list(json.loads(call(*arguments, "--json")[0])["data"])


def test_programs_get_what_the_route_tells() -> None:
    (entry,) = found("gpt-4o-mini-a*")
    assert (entry["id"], entry["context_window"]) == ("gpt-4o-mini-audio-preview", 128_000)
    (both,) = found("both")
    assert [each["name"] for each in both["providers"]] == ["openai", "mine"]
    assert both["prices_usd_per_million"]["standard"]["input"] == "0.15"
    assert both["providers"][1]["prices_usd_per_million"] is None
    assert both["context_window"] is None


def test_a_part_of_a_name_and_a_provider_narrow_the_list() -> None:
    assert all("4O-mini".lower() in each["id"] for each in found("4O-mini"))
    assert [each["id"] for each in found("--provider", "mine")] == ["both"]


def test_a_provider_that_is_not_there_is_refused_with_those_that_are() -> None:
    result = CliRunner().invoke(app, ["--provider", "nope"])
    assert isinstance(result.exception, InvalidRequest)
    assert "There are: mine, openai." in result.exception.message
    assert found("no-such-model") == []


def test_people_get_a_table() -> None:
    text, _ = call("gpt-4o-mini")
    line = next(each for each in text.splitlines() if each.startswith("gpt-4o-mini "))
    assert line.split() == [
        "gpt-4o-mini", "128,000", "16,384", "text", "image", "pdf", "→", "text", "0.15", "0.075", "0.60", "openai",
    ]  # fmt: skip


def test_without_a_provider_the_usual_ones_are_listed() -> None:
    Path("tollkeeper.toml").write_text("")
    text, remark = call("claude-opus-5-5")
    assert "anthropic" in text
    assert "no provider is configured" in remark
