"""An organization's display currency: chosen by who manages it, by API, command line and file; told in the audit log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.admin.admin_factories import client_of, running_app
from tests.fakes.new_keys import create_admin_key
from tests.tenancy.company import PEPPER, Company, found_company
from typer.testing import CliRunner

from tollkeeper.cli import orgs
from tollkeeper.control.organizations import get_organization, update_organization
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import NotFound, PermissionDenied
from tollkeeper.store.engine import Store

DAY = "2025-01-31"
WON = DisplayCurrency("KRW", 1_385_250_000, DAY, "Bank of Korea")
BODY = {"code": "KRW", "rate": 1385.25, "rate_date": DAY, "source": "Bank of Korea"}


@pytest.fixture
async def company(store: Store) -> Company:
    return await found_company(store)


@pytest.fixture
async def client(company: Company) -> AsyncIterator[httpx.AsyncClient]:
    key = await create_admin_key(company.store, PEPPER, company.id, name="an admin")
    async with running_app(company.store) as app, client_of(app, key.key) as client:
        yield client


async def test_a_choice_is_kept_told_in_the_log_and_taken_away(company: Company) -> None:
    async def change(chosen: DisplayCurrency | None) -> DisplayCurrency | None:
        await company.change(None, update_organization, company.id, display_currency=chosen)
        found = await company.look(None, get_organization, company.id)
        current: DisplayCurrency | None = found.display_currency
        return current

    assert await change(WON) == WON
    assert await change(WON) == WON
    assert await change(None) is None
    first, second = await company.events("organization.update")
    assert json.loads(first.after)["display_currency"]["rate_micros"] == 1_385_250_000
    assert json.loads(first.before)["display_currency"] is None
    assert json.loads(second.before)["display_currency"]["source"] == "Bank of Korea"


async def test_only_who_manages_the_organization_chooses(company: Company) -> None:
    team = await company.team("ml")
    for role, scope_id in (("team_admin", team.id), ("developer", team.id), ("viewer", team.id)):
        person = await company.hire(role.replace("_", ""), (role, scope_id))
        with pytest.raises(PermissionDenied):
            await company.change(person, update_organization, company.id, display_currency=WON)
    other = await found_company(company.store, "Globex")
    with pytest.raises(NotFound):
        await other.change(None, update_organization, company.id, display_currency=WON)


async def test_by_api_the_rate_is_exact_and_null_takes_the_choice_away(
    client: httpx.AsyncClient, company: Company
) -> None:
    path = f"/v1/organizations/{company.id}"
    for rate in (1385.25, "1385.250001", 3):
        answer = await client.patch(path, json={"display_currency": {**BODY, "rate": rate}})
        assert answer.status_code == 200, answer.text
        shown = json.loads(answer.text, parse_float=Decimal)["display_currency"]
        assert (shown["rate"], shown["rate_micros"]) == (Decimal(str(rate)), int(Decimal(str(rate)) * 10**6))
    assert (await client.patch(path, json={"name": "Acme 2"})).json()["display_currency"] is not None
    assert (await client.patch(path, json={"display_currency": None})).json()["display_currency"] is None
    assert (await client.get(path)).json()["display_currency"] is None


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"rate": 0}, "display_currency.rate"),
        ({"rate": -1}, "display_currency.rate"),
        ({"rate": True}, "display_currency.rate"),
        ({"rate": "1e3"}, "display_currency.rate"),
        ({"rate": "1.0000001"}, "display_currency.rate"),
        ({"rate": 10**9 + 1}, "display_currency.rate"),
        ({"code": "XQQ"}, "display_currency"),
        ({"code": "won!"}, "display_currency.code"),
        ({"rate_date": "2025-02-30"}, "display_currency"),
        ({"source": ""}, "display_currency.source"),
        ({"source": "a\x07b"}, "display_currency"),
        ({"more": 1}, "display_currency.more"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_name(
    client: httpx.AsyncClient, company: Company, changes: dict[str, Any], param: str
) -> None:
    refused = await client.patch(f"/v1/organizations/{company.id}", json={"display_currency": {**BODY, **changes}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param), refused.text


def test_the_command_line_states_changes_and_clears_it(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_found(sqlite_url))
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    monkeypatch.chdir(tmp_path)

    def update(*options: str) -> Any:
        result = CliRunner().invoke(orgs.app, ["update", "--database", sqlite_url, "--json", *options])
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.output, parse_float=Decimal)["display_currency"]

    rate = ("--display-rate", "1385.25", "--display-rate-date", DAY)
    chosen = update("--display-currency", "krw", *rate, "--display-rate-source", "Bank of Korea")
    assert chosen == {
        "code": "KRW",
        "rate": Decimal("1385.25"),
        "rate_micros": 1_385_250_000,
        "rate_date": DAY,
        "source": "Bank of Korea",
    }
    assert update("--display-rate", "1400")["rate_micros"] == 1_400_000_000
    assert update("--display-rate", "1400")["rate_date"] > DAY, "a new rate is of today"
    assert update("--name", "Acme 2")["code"] == "KRW"
    shown = CliRunner().invoke(orgs.app, ["get", "--database", sqlite_url]).output
    assert "1 USD = 1400 KRW" in shown
    refused = CliRunner().invoke(orgs.app, ["update", "--database", sqlite_url, "--display-currency", "EUR"])
    assert refused.exit_code == 1
    assert update("--display-currency", "none") is None


async def _found(url: str) -> None:
    store = Store.open(url)
    await found_company(store)
    await store.aclose()
