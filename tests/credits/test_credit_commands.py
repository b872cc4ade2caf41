"""`tollkeeper credits`, trial credit for new organizations, and what `tollkeeper db verify` says of the ledger."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import ConfigurationError, InvalidRequest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOLLKEEPER_CONFIG", raising=False)
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", "70" * 32)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def run(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def data(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def init() -> None:
    run("init", "--org", "Acme", "--timezone", "Asia/Seoul")


def test_credit_is_granted_listed_shown_and_voided() -> None:
    init()
    assert "tollkeeper credits grant" in run("credits", "list")
    assert "need no credit" in run("credits", "balance")
    made = data("credits", "grant", "50", "--kind", "promotional", "--priority", "5", "--expires", "2030-12-31")
    assert (made["amount_usd"], made["kind"], made["priority"]) == (50, "promotional", 5)
    assert made["expires_at"] == "2030-12-31T15:00:00Z"  # the end of that day in Seoul
    assert "$25.00 of purchased credit" in run("credits", "grant", "$25")
    assert data("credits", "balance")["left_usd"] == 75
    assert "KST" in run("credits", "list")
    assert "promotional" in run("credits", "show", made["id"])
    assert "$50.00 is taken back" in run("credits", "void", made["id"], "--yes")
    assert data("credits", "show", made["id"])["status"] == "voided"
    found = data("credits", "list")
    assert [each["status"] for each in found["data"]] == ["active", "voided"]
    assert found["balance"]["left_usd"] == 25


@pytest.mark.parametrize(
    ("arguments", "param"),
    [(("0",), "amount_usd"), (("5", "--kind", "purchase"), "kind"), (("5", "--expires", "soon"), "expires")],
)
def test_a_grant_that_is_none_is_refused_by_name(arguments: tuple[str, ...], param: str) -> None:
    init()
    error = call("credits", "grant", *arguments).exception
    assert isinstance(error, InvalidRequest)
    assert error.param == param


def test_a_new_organization_gets_its_trial_credit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_CREDITS__TRIAL_USD", "5")
    monkeypatch.setenv("TOLLKEEPER_CREDITS__TRIAL_DAYS", "7")
    init()
    (trial,) = data("credits", "list")["data"]
    assert (trial["kind"], trial["amount_usd"], trial["status"]) == ("trial", 5, "active")
    assert data("credits", "balance")["prepaid"] is True
    assert data("credits", "balance")["expiring_next"]["grant_id"] == trial["id"]
    assert any(each["action"] == "credit.grant" for each in data("audit", "list")["data"])


def test_without_trial_credit_nothing_is_granted_and_calls_need_none() -> None:
    init()
    assert data("credits", "list")["data"] == []
    assert data("credits", "balance")["prepaid"] is False


def test_an_organizations_calls_are_made_to_need_credit_and_not(monkeypatch: pytest.MonkeyPatch) -> None:
    init()
    assert data("orgs", "get")["prepaid"] is False
    assert data("orgs", "update", "--prepaid")["prepaid"] is True
    assert data("orgs", "update", "--timezone", "UTC")["prepaid"] is True, "what is not said stays"
    assert data("credits", "balance")["prepaid"] is True
    assert any(line.split() == ["calls", "need", "credit", "yes"] for line in run("orgs", "get").splitlines())
    monkeypatch.setenv("TOLLKEEPER_CREDITS__GRANTED_BY", "operator")
    assert data("orgs", "update", "--no-prepaid")["prepaid"] is False, "the command line is the operator's"
    assert data("credits", "balance")["prepaid"] is False


@pytest.mark.parametrize("amount", ["-1", "5.0000000001", "many"])
def test_trial_credit_that_is_no_amount_stops_the_start(monkeypatch: pytest.MonkeyPatch, amount: str) -> None:
    monkeypatch.setenv("TOLLKEEPER_CREDITS__TRIAL_USD", amount)
    assert isinstance(call("credits", "list").exception, ConfigurationError)


def test_verify_tells_of_the_ledger(folder: Path) -> None:
    init()
    run("credits", "grant", "50")
    report = data("db", "verify")
    assert report["ledger"]["transactions"] == 1
    assert report["ledger"]["differences"] == []
    assert "1 transactions of the ledger" in run("db", "verify")
    connection = sqlite3.connect(folder / "tollkeeper.db")
    connection.execute("UPDATE ledger_account SET balance_nanos = 1 WHERE kind = 'receivable'")
    connection.commit()
    connection.close()
    wrong = call("db", "verify")
    assert wrong.exit_code == 1
    assert "ledger_account.balance_nanos: expected 50000000000, found 1" in wrong.stdout
    assert json.loads(call("db", "verify", "--json").stdout)["ledger"]["differences"][0]["table"] == "ledger_account"
