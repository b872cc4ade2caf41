"""`tollkeeper calls` and `tollkeeper forecast`: what people see and programs get, by names, on an embedded database."""

from __future__ import annotations

import asyncio
import json
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.analytics.ledger import DAY_US, Ledger, open_ledger
from tests.calls.varied_calls import add_varied, expected
from tests.tenancy.company import PEPPER
from typer.testing import CliRunner, Result

from tollkeeper.cli.main import app
from tollkeeper.control.calls import CallFilters
from tollkeeper.control.organizations import update_organization
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.usage import Try, UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store
from tollkeeper.store.refused_calls import RefusedCalls

WON = DisplayCurrency("KRW", 1_385_250_000, "2025-01-31", "Bank of Korea")


@pytest.fixture
def url(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    monkeypatch.setenv("COLUMNS", "240")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return sqlite_url


@pytest.fixture
def busy(url: str) -> Ledger:
    return asyncio.run(_fill(url))


async def _fill(url: str) -> Ledger:
    store = Store.open(url)
    ledger = await open_ledger(store)
    await add_varied(ledger, 60, seed=3)
    await ledger.add([now_us() - back * DAY_US for back in range(1, 20)], seed=5)
    await ledger.workshop.company.change(None, update_organization, ledger.id, display_currency=WON)
    await store.aclose()
    return ledger


def call(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--database", url])


def shown(url: str, *arguments: str) -> str:
    result = call(url, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def read(url: str, *arguments: str) -> Any:
    return json.loads(shown(url, *arguments, "--json"), parse_float=Decimal)


def ids(page: Any) -> list[bytes]:
    return [bytes.fromhex(each["request_id"].removeprefix("req_")) for each in page["data"]]


def test_calls_are_found_by_name_and_page_by_page(busy: Ledger, url: str) -> None:
    page = read(url, "calls", "--limit", "100")
    assert ids(page) == expected(busy, CallFilters())
    first = read(url, "calls", "--limit", "7")
    second = read(url, "calls", "--limit", "100", "--after", first["last_id"])
    assert ids(first) + ids(second) == ids(page)
    workshop = busy.workshop
    for options, columns in (
        (("--team", "search team"), {"team_id": (workshop.team.id,)}),
        (("--project", "ops"), {"project_id": (workshop.ops.id,)}),
        (("--key", "chat service"), {"api_key_id": (busy.keys["chat"].id,)}),
        (("--member", "lead@example.com"), {"member_id": (workshop.lead.member_id,)}),
        (("--model", "claude", "--provider", "openai"), {"model": ("claude",), "provider": ("openai",)}),
    ):
        assert ids(read(url, "calls", "--limit", "100", *options)) == expected(busy, CallFilters(columns=columns)), (
            options
        )
    some = CallFilters(labels=(("feature", "chat"),), statuses=((0, 0), (400, 999)), cost_from_nanos=10**9)
    options = ("--label", "feature=chat", "--status", "errors", "--cost-from", "1")
    assert ids(read(url, "calls", "--limit", "100", *options)) == expected(busy, some)


def test_a_table_for_people_says_where_it_goes_on(busy: Ledger, url: str) -> None:
    table = shown(url, "calls", "--limit", "3")
    assert table.count("req_") == 3
    assert "--after" in table
    assert "search service" in shown(url, "calls", "--key", "search service")
    assert "tollkeeper calls" in shown(url, "calls", "--end-user", "nobody")


def test_one_call_is_opened_with_its_steps(busy: Ledger, url: str) -> None:
    reference = f"req_{asyncio.run(_add(busy, url)).call_id.hex()}"
    found = read(url, "calls", reference)
    assert (found["request_id"], len(found["steps"])) == (reference, 8)
    text = shown(url, "calls", reference)
    for word in ("authenticate", "settle", "forward", "tried before", "not recorded"):
        assert word in text
    assert isinstance(call(url, "calls", "req_" + "0" * 32).exception, NotFound)


def test_each_step_is_shown_with_its_time(busy: Ledger, url: str) -> None:
    steps_us = (15, 45, 5, 95, 100, 40)
    made = asyncio.run(_add(busy, url, latency_us=1_000_000, overhead_us=300, steps_us=steps_us))
    text = shown(url, "calls", f"req_{made.call_id.hex()}")
    assert re.findall(r"\[(.+ ms)\]", text) == [
        "0.015 ms", "0.045 ms", "0.005 ms", "0.095 ms", "0.100 ms", "999.700 ms", "0.040 ms",
    ]  # fmt: skip
    assert "in all 1,000.000 ms" in text


async def _add(busy: Ledger, url: str, **changes: Any) -> UsageRecord:
    store = Store.open(url)
    made = busy.make(random.Random(8), now_us()).record
    made = msgspec.structs.replace(made, tries=(Try("openai", "gpt-4o", 503),), **changes)
    await store.insert_usage([made], slot="one")
    await store.aclose()
    return made


@pytest.mark.parametrize(
    "options",
    [
        ("--status", "6xx"),
        ("--label", "a b"),
        ("--cost-from", "x"),
        ("--after", "x"),
        ("--cost-from", "2", "--cost-to", "1"),
    ],
)
def test_what_makes_no_sense_is_refused(busy: Ledger, url: str, options: tuple[str, ...]) -> None:
    assert isinstance(call(url, "calls", *options).exception, InvalidRequest)


def test_a_forecast_is_shown_in_dollars_and_won(busy: Ledger, url: str) -> None:
    found = read(url, "forecast")
    assert found["low_usd"] <= found["likely_usd"] <= found["high_usd"]
    assert found["display"]["likely"]["currency"] == "KRW"
    text = shown(url, "forecast", "--team", "search team")
    for word in ("so far", "likely", "at least", "at most", "₩", "Bank of Korea"):
        assert word in text
    assert "Too early to say" in shown(url, "forecast", "--project", "default")


def test_costs_have_the_display_currency_beside_with_its_rate(busy: Ledger, url: str) -> None:
    text = shown(url, "costs")
    assert "1 USD = 1385.25 KRW on 2025-01-31 (Bank of Korea)" in text
    found = read(url, "costs")
    assert found["display"]["amount"] == round(found["total"]["cost_usd"] * Decimal("1385.25"))


RATE = {"kind": "rate", "rate_limit_id": "rate_1", "scope_kind": "project", "scope_name": "검색", "unit": "requests",
        "period": "minute", "limit": 60, "is_decisive": True}  # fmt: skip
FULL = {"kind": "budget", "budget_id": "bud_1", "scope_kind": "project", "scope_name": "검색", "unit": "usd", "period": "daily",
        "limit": 40 * 10**9, "used": 12 * 10**9, "reserved": 0, "needed": 30 * 10**9, "is_decisive": True}  # fmt: skip


async def _refuse(busy: Ledger, url: str, limit: dict[str, object] = RATE) -> str:
    store, key = Store.open(url), next(iter(busy.keys.values()))
    call_id = uuid7()
    refused = RefusedCall(
        call_id, busy.id, key.project_id, key.id, "o3", now_us(), 429, "rate_limit_exceeded", "Too fast.", (limit,)
    )
    await RefusedCalls(store).insert_refusals([refused])
    await store.aclose()
    return f"req_{call_id.hex()}"


def test_the_limit_of_a_refused_call_says_how_much_was_used_and_needed(busy: Ledger, url: str) -> None:
    asyncio.run(_refuse(busy, url, FULL))
    words = " ".join(shown(url, "calls", "--refused").split())
    for part in ("$40.00", "per day,", "$12.00", "used,", "$30.00", "needed"):
        assert part in words


def test_refused_calls_are_listed_with_the_limit_that_refused_them(busy: Ledger, url: str) -> None:
    assert "No such refused call" in shown(url, "calls", "--refused")
    reference = asyncio.run(_refuse(busy, url))
    text = shown(url, "calls", "--refused")
    for word in (reference, "rate_limit_exceeded", "project 검색: 60 requests per minute", "explain"):
        assert word in text
    (found,) = read(url, "calls", "--refused", "--model", "o3")["data"]
    assert (found["request_id"], found["limit"]["id"]) == (reference, "rate_1")
    assert read(url, "calls", "--refused", "--model", "gpt-4o")["data"] == []
    assert isinstance(call(url, "calls", "--refused", "--provider", "openai").exception, InvalidRequest)
    assert "refused with status 429" in shown(url, "calls", reference), "opened as `explain` does"
