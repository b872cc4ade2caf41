"""`tollkeeper reports` as people and programs use it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.admin.admin_factories import ONLY_SQLITE
from tests.alerts.alert_factories import run_command
from tests.analytics.ledger import Ledger
from tests.reports.report_factories import add_two_weeks
from tests.tenancy.company import PEPPER
from typer.testing import CliRunner

from tollkeeper.cli.main import app

pytestmark = ONLY_SQLITE
WEEK = "2026-11-04"


@pytest.fixture(autouse=True)
def _installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    monkeypatch.setenv("TOLLKEEPER_EMAIL__HOST", "mail.example.com")
    monkeypatch.setenv("TOLLKEEPER_EMAIL__SENDER", "Tollkeeper <tollkeeper@example.com>")


async def run(ledger: Ledger, *arguments: str) -> Any:
    return json.loads(await run_command(ledger.workshop.company, "reports", *arguments, "--json"))


async def test_it_is_previewed_sent_listed_and_shown(ledger: Ledger) -> None:
    await add_two_weeks(ledger, calls=60)
    company = ledger.workshop.company
    previewed = await run(ledger, "preview", "weekly", "--period", WEEK)
    assert (previewed["first_day"], previewed["status"]) == ("2026-11-02", "preview")
    sent = await run(ledger, "send", "week", "--period", WEEK, "--to", "admin@example.com")
    assert [each["recipient"] for each in sent["letters"]] == ["admin@example.com"]
    shown = await run(ledger, "show", sent["id"])
    assert shown["content"] == previewed["content"]
    assert [each["id"] for each in (await run(ledger, "list"))["data"]] == [sent["id"]]
    text = await run_command(company, "reports", "show", sent["id"])
    for expected in (
        "Acme, the week from 2026-11-02 to 2026-11-08 (Asia/Seoul)",
        "model",
        "project",
        "search",
        "most used",
    ):
        assert expected in text, text
    assert "pending" in await run_command(company, "reports", "list")


async def test_settings_are_shown_and_changed(ledger: Ledger) -> None:
    company = ledger.workshop.company
    assert "on, next" in await run_command(company, "reports", "settings")
    changed = await run(
        ledger, "settings", "--no-monthly", "--weekday", "Friday", "--hour", "8", "--to", "admin@example.com"
    )
    assert (changed["monthly"], changed["weekday"], changed["hour"]) == (False, "friday", 8)
    assert changed["recipients"] == [ledger.workshop.admin.member_id]
    assert (await run(ledger, "settings", "--to-all"))["recipients"] is None


async def test_an_empty_list_says_what_to_do(ledger: Ledger) -> None:
    text = await run_command(ledger.workshop.company, "reports", "list")
    assert "tollkeeper reports preview weekly" in text
    assert "No calls" in await run_command(ledger.workshop.company, "reports", "preview", "month")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview", "yearly"), "weekly and monthly"),
        (("preview", "weekly", "--period", "soon"), "2026-11-16"),
        (("show", "rep_none"), "no report 'rep_none'"),
        (("send", "weekly", "--to", "viewer@example.com"), "analytics:full"),
        (("send", "weekly", "--to", "nobody@example.com"), "no member"),
        (("settings", "--weekday", "mondy"), "monday"),
        (("settings", "--to", "admin@example.com", "--to-all"), "not both"),
    ],
)
async def test_a_refusal_is_one_line_that_says_why(ledger: Ledger, arguments: tuple[str, ...], said: str) -> None:
    url = ledger.workshop.store.url.render_as_string(hide_password=False)
    result = await asyncio.to_thread(CliRunner().invoke, app, ["reports", *arguments, "--database", url])
    message = getattr(result.exception, "message", "") or result.output
    assert result.exit_code == 1
    assert said in message
