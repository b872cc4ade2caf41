"""`tollkeeper rates`: rules are set, shown and deleted by names, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import InvalidRequest, NotFound


@pytest.fixture(autouse=True)
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("TOLLKEEPER_CONFIG", raising=False)
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", "70" * 32)
    run("init", "--org", "Acme")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def run(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def data(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_rules_are_set_listed_and_deleted_by_names() -> None:
    assert "tollkeeper rates set" in run("rates", "list")
    run("teams", "create", "ml")
    made = data("rates", "set", "team:ml", "--rpm", "600", "--tpm", "90000")
    assert (made["object"], made["requests_per_minute"], made["tokens_per_minute"]) == ("rate_limit", 600, 90_000)
    run("rates", "set", "organization", "--tpm", "1000000", "--model", "gpt-4o")
    shown = run("rates", "list")
    assert "1,000,000" in shown
    assert "gpt-4o" in shown
    assert "90,000" in shown
    assert [each["id"] for each in data("rates", "list", "--scope", "ml")["data"]] == [made["id"]]
    assert data("rates", "delete", "ml", "--yes")["id"] == made["id"]
    assert isinstance(call("rates", "delete", "ml", "--yes").exception, NotFound)
    assert "has no rate limit for gpt-4o" in run("rates", "delete", "organization", "--model", "gpt-4o", "--yes")


def test_a_rule_without_a_limit_is_refused() -> None:
    assert isinstance(call("rates", "set", "organization").exception, InvalidRequest)
    assert isinstance(call("rates", "set", "organization", "--rpm", "0").exception, InvalidRequest)
