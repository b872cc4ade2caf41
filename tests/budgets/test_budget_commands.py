"""`tollkeeper budgets` as people and programs call it: every scope and unit, increases, requests, status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError


@pytest.fixture(autouse=True)
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLKEEPER_CONFIG", raising=False)
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", "70" * 32)
    run("init", "--org", "Acme", "--timezone", "Asia/Seoul")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def data(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def refusal(*arguments: str) -> TollkeeperError:
    error = CliRunner().invoke(app, [*arguments]).exception
    assert isinstance(error, TollkeeperError), error
    return error


def test_budgets_of_every_scope_and_unit() -> None:
    run("keys", "create", "--name", "prod", "--project", "default")
    made = data("budgets", "set", "key:prod", "10,000", "--unit", "requests", "--period", "daily")
    assert (made["scope_kind"], made["amount"], made["amount_usd"]) == ("api_key", 10_000, None)
    run("budgets", "set", "default", "20", "--unit", "concurrent", "--model", "gpt-4o")
    shown = run("budgets", "list")
    assert "daily requests" in shown
    assert "calls at once for gpt-4o" in shown
    assert [each["scope"] for each in data("budgets", "list", "--scope", "key:prod")["data"]] == [made["scope"]]
    assert "10,000" in run("budgets", "delete", "key:prod", "--unit", "requests", "--period", "daily", "--yes")
    assert "requests" in refusal("budgets", "set", "organization", "5", "--unit", "request").message
    assert isinstance(refusal("budgets", "set", "organization", "5.5", "--unit", "tokens"), InvalidRequest)
    assert isinstance(refusal("budgets", "set", "member:nobody@example.com", "5"), NotFound)


def test_increases() -> None:
    run("budgets", "set", "organization", "100")
    assert "--until 7d" in run("budgets", "increases", "organization")
    assert "$50.00 more of its monthly budget until" in run(
        "budgets", "increase", "organization", "50", "--until", "7d", "--note", "launch"
    )
    (made,) = data("budgets", "increases", "organization")["data"]
    assert (made["amount_usd"], made["status"], made["note"]) == (50, "in_force", "launch")
    assert data("budgets", "status")["root"]["budgets"][0]["limit"] == 150
    assert "is taken away" in run("budgets", "end-increase", made["id"])
    assert "budgets set" in refusal("budgets", "increase", "default", "5", "--until", "7d").message


def test_requests() -> None:
    run("budgets", "set", "default", "5")
    assert "Nobody asks" in run("budgets", "requests")
    made = data("budgets", "ask", "default", "20", "--reason", "demo")
    assert "demo" in run("budgets", "requests")
    assert "approved" in run("budgets", "approve", made["id"], "--amount", "15", "--answer", "ok")
    assert data("budgets", "list")["data"][0]["amount_usd"] == 15
    again = data("budgets", "ask", "default", "20")
    assert "denied" in run("budgets", "deny", again["id"], "--answer", "no")
    assert data("budgets", "requests")["data"] == []
    assert len(data("budgets", "requests", "--all")["data"]) == 2


def test_status() -> None:
    assert "tollkeeper budgets set organization 500" in run("budgets", "status")
    run("budgets", "set", "organization", "500")
    run("budgets", "set", "project:default", "12.5", "--soft")
    shown = run("budgets", "status")
    for expected in (
        "Acme  organization",
        "default  project",
        "$0.00 used, $500.00 left of $500.00",
        "soft",
        "resets",
        "KST",
    ):
        assert expected in shown, shown
    assert "Acme" not in run("budgets", "status", "project:default")


def test_an_organizations_tier() -> None:
    assert data("orgs", "update", "--tier", "free", "--fiscal-month-start", "10")["tier"] == "free"
    assert {each["unit"] for each in data("budgets", "list")["data"]} == {"usd", "requests", "concurrent"}
    assert "free" in run("orgs", "get")
    assert "from tier" in run("budgets", "list")
    for noun in ("budgets", "rates"):
        assert {each["is_from_tier"] for each in data(noun, "list")["data"]} == {True}
    assert data("budgets", "set", "organization", "7")["is_from_tier"] is False
    assert "'free'" in refusal("orgs", "update", "--tier", "fre").message


def test_a_tier_leaves_what_was_set_by_hand_and_says_so() -> None:
    run("budgets", "set", "organization", "7")
    said = run("orgs", "update", "--tier", "free")
    assert "left as it is, for it was not a tier that set it last: monthly $7.00" in said
    assert "set: daily requests 200" in said
    assert "set: rate 20 requests a minute, 40,000 tokens a minute" in said
    found = data("orgs", "update", "--tier", "enterprise")["tier_limits"]
    assert [each["amount_usd"] for each in found["left"]] == [7]
    assert len(found["removed"]) == 3
    assert [each["amount_usd"] for each in data("budgets", "list")["data"]] == [7]


def test_a_tier_below_what_is_allotted_takes_an_override() -> None:
    run("budgets", "set", "default", "6")
    assert "--override" in refusal("orgs", "update", "--tier", "free").message
    assert len(data("budgets", "list")["data"]) == 1
    run("orgs", "update", "--tier", "free", "--override")
    assert len(data("budgets", "list")["data"]) == 4
