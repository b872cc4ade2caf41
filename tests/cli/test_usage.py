"""Tests of the commands `usage` and `costs`: exact sums by everything, names, unpriced calls, JSON, single records."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
import typer
from click.testing import Result
from sqlalchemy import update
from tests.fakes.new_keys import act, create_project_key
from tests.tenancy.company import add_account
from typer.testing import CliRunner

from tollkeeper.cli import usage_table
from tollkeeper.cli.costs import costs
from tollkeeper.cli.usage import usage
from tollkeeper.control import api_keys
from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store
from tollkeeper.store.members import add_member
from tollkeeper.store.organizations import create_organization
from tollkeeper.store.projects import change_project, create_project
from tollkeeper.store.schema_tenancy import api_key
from tollkeeper.store.teams import create_team

app = typer.Typer()
app.command("usage")(usage)
app.command("costs")(costs)

PEPPER = b"p" * 32
NOVEMBER = ("--from", "2026-11-01", "--to", "2026-11-30")


class Books(NamedTuple):
    """What was stored. Amounts in nano-USD: search 1,500,000,001 + 2; chat 250,000,000 and one call without a price."""

    url: str
    organization_id: str
    search: str
    chat: str
    keys: tuple[str, str]
    records: tuple[UsageRecord, ...]


@pytest.fixture(autouse=True)
def _wide_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "220")


@pytest.fixture
def books(database_url: str) -> Books:
    return asyncio.run(_fill(database_url))


@pytest.fixture
def empty_books(sqlite_url: str) -> str:
    asyncio.run(_add_organization(sqlite_url, "Acme"))
    return sqlite_url


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def record(organization_id: str, project_id: str, key_id: str, when: str | int, **changes: Any) -> UsageRecord:
    at_us = at(when) if isinstance(when, str) else when
    values: dict[str, Any] = {
        "call_id": (at_us // 1000).to_bytes(6, "big") + uuid7()[6:],
        "organization_id": organization_id,
        "project_id": project_id,
        "api_key_id": key_id,
        "operation": "chat.completions",
        "model_asked": "fast",
        "model_served": "gpt-4o",
        "provider": "openai",
        "status": 200,
        "outcome": Outcome.COMPLETE,
        "is_stream": True,
        "started_at_us": at_us,
        "latency_us": 1_234_567,
        "first_byte_us": 234_567,
        "overhead_us": 89,
        "service_tier": "standard",
        "quantities": {"input": 1_000_000, "output": 20},
        "reasoning_tokens": 5,
        "is_estimated": False,
        "lines": (
            ChargeLine("input", 1_000_000, 1_500_000, 1_500_000_000, "catalogue gpt-4o"),
            ChargeLine("output", 20, 50, 1, "own price_1"),
        ),
        "amount_nanos": 1_500_000_001,
        "cost_state": CostState.COMPUTED,
    }
    return UsageRecord(**{**values, **changes})


async def _fill(url: str) -> Books:
    store = Store.open(url)
    try:
        acme = await store.write(lambda c: create_organization(c, "Acme", timezone="Asia/Seoul"))
        search = await store.write(lambda c: create_project(c, acme.id, name="search"))
        chat = await store.write(lambda c: create_project(c, acme.id, name="chat"))
        made = [
            await create_project_key(store, PEPPER, acme.id, project_id=project.id, name=name)
            for project, name in ((search, "search prod"), (chat, "chat prod"))
        ]
        first, second = (key.record.id for key in made)
        small = {"lines": (ChargeLine("input", 2, 1000, 2, "x"),), "quantities": {"input": 2}}
        records = (
            record(acme.id, search.id, first, "2026-11-02T15:30:00", labels={"feature": "ask"}),  # 3 November in Seoul
            record(
                acme.id, search.id, first, "2026-11-02T14:30:00", amount_nanos=2, model_served="gpt-4o-mini", **small
            ),
            record(
                acme.id,
                chat.id,
                second,
                "2026-11-10T01:00:00",
                amount_nanos=250_000_000,
                lines=(ChargeLine("input", 1_000_000, 250_000, 250_000_000, "x"),),
                is_estimated=True,
                cost_state=CostState.ESTIMATED,
                reason="the client left",
                labels={"feature": "chat"},
            ),
            record(
                acme.id,
                chat.id,
                second,
                "2026-11-10T02:00:00",
                amount_nanos=None,
                lines=(),
                model_served="mystery",
                cost_state=CostState.UNPRICED,
                reason="no price is known for this model",
                status=500,
            ),
        )
        await store.insert_usage(list(records), slot="a")
        await act(store, PEPPER, acme.id, api_keys.delete_key, second)
        return Books(url, acme.id, search.id, chat.id, (first, second), records)
    finally:
        await store.aclose()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def shown(books: Books, *arguments: str) -> str:
    result = call(*arguments, "--database", books.url)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def read(books: Books, *arguments: str) -> Any:
    """Return the JSON with its numbers as they were written."""
    return json.loads(shown(books, *arguments, "--json"), parse_float=Decimal)


def refused(url: str, *arguments: str) -> TollkeeperError:
    result = call(*arguments, "--database", url)
    assert isinstance(result.exception, TollkeeperError), (result.output, result.exception)
    return result.exception


def test_costs_by_project_are_exact_named_and_shared(books: Books) -> None:
    answer = read(books, "costs", "--by", "project", *NOVEMBER)
    assert [(row["project_name"], row["cost_usd"], row["unpriced_requests"]) for row in answer["data"]] == [
        ("search", Decimal("1.500000003"), 0),
        ("chat", Decimal("0.25"), 1),
    ]
    assert answer["data"][0]["project_id"] == books.search
    assert answer["total"]["cost_usd"] == Decimal("1.750000003")
    assert answer["total"]["cost_nanos"] == 1_750_000_003
    table = shown(books, "costs", "--by", "project", *NOVEMBER)
    search = next(line for line in table.splitlines() if line.startswith("search"))
    assert "$1.500000003" in search
    assert "85.7 %" in search
    assert "$0.250000000" in table  # the points align
    assert "$1.750000003" in next(line for line in table.splitlines() if line.startswith("total"))


def test_what_has_no_price_is_counted_and_never_zero(books: Books) -> None:
    (row,) = read(books, "costs", "--model", "mystery", *NOVEMBER)["data"]
    assert (row["cost_usd"], row["cost_nanos"], row["unpriced_requests"]) == (None, None, 1)
    table = shown(books, "costs", "--model", "mystery", *NOVEMBER)
    assert "$0" not in table
    assert "no price is known" in table
    assert "tollkeeper usage --estimated" in table


def test_usage_shows_requests_errors_and_tokens(books: Books) -> None:
    rows = {row["model"]: row for row in read(books, "usage", *NOVEMBER)["data"]}
    assert {model: (row["requests"], row["errors"]) for model, row in rows.items()} == {
        "gpt-4o": (2, 0),
        "gpt-4o-mini": (1, 0),
        "mystery": (1, 1),
    }
    assert (rows["gpt-4o"]["input_tokens"], rows["gpt-4o"]["output_tokens"]) == (2_000_000, 40)
    assert "2,000,000" in shown(books, "usage", *NOVEMBER)


def test_days_are_those_of_the_organization(books: Books) -> None:
    rows = read(books, "costs", "--by", "day", *NOVEMBER)["data"]
    assert [(row["day"], row["requests"]) for row in rows] == [("2026-11-02", 1), ("2026-11-03", 1), ("2026-11-10", 2)]
    rows = read(books, "costs", "--by", "day", "--from", "2026-11-03", "--to", "2026-11-03")["data"]
    assert [(row["day"], row["requests"]) for row in rows] == [("2026-11-03", 1)]


def test_hours_and_several_groups_go_together(books: Books) -> None:
    rows = read(books, "usage", "--by", "hour,provider", "--by", "operation", *NOVEMBER)["data"]
    assert [row["hour"] for row in rows] == [
        "2026-11-02 23:00",
        "2026-11-03 00:00",
        "2026-11-10 10:00",
        "2026-11-10 11:00",
    ]
    assert {(row["provider"], row["operation"]) for row in rows} == {("openai", "chat.completions")}


def test_labels_and_the_calls_without_add_up_to_everything(books: Books) -> None:
    answer = read(books, "costs", "--by", "label:feature", *NOVEMBER)
    found = {row["label"]: (row["requests"], row["cost_nanos"], row["unpriced_requests"]) for row in answer["data"]}
    assert found == {"ask": (1, 1_500_000_001, 0), "chat": (1, 250_000_000, 0), None: (2, 2, 1)}
    assert answer["total"]["requests"] == read(books, "costs", "--by", "model", *NOVEMBER)["total"]["requests"] == 4
    assert answer["total"]["cost_nanos"] == 1_750_000_003
    assert "(without)" in shown(books, "usage", "--by", "label:feature", *NOVEMBER)
    by_project = read(books, "costs", "--by", "project,label:feature", *NOVEMBER)["data"]
    found_by = {(row["project_name"], row["label"]): row["requests"] for row in by_project}
    by_model = read(books, "costs", "--by", "model,label:feature", *NOVEMBER)["data"]
    assert [row["cost_usd"] for row in by_model if row["model"] == "mystery"] == [None]
    assert found_by == {("search", "ask"): 1, ("search", None): 1, ("chat", "chat"): 1, ("chat", None): 1}


def test_keys_are_named_though_deleted(books: Books) -> None:
    rows = read(books, "usage", "--by", "key", *NOVEMBER)["data"]
    named = {row["api_key_id"]: row["api_key_name"] for row in rows}
    assert named == {books.keys[0]: "search prod", books.keys[1]: "chat prod"}


def test_filters_take_names_and_ids(books: Books) -> None:
    for options in (
        ("--project", "search"),
        ("--project", books.search),
        ("--key", "search prod"),
        ("--key", books.keys[0]),
        ("--key", f"sk-tk-{books.keys[0].removeprefix('key_')}-…"),
    ):
        assert read(books, "usage", *options, *NOVEMBER)["total"]["requests"] == 2, options
    assert read(books, "usage", "--model", "gpt-4o", "--key", books.keys[1], *NOVEMBER)["total"]["requests"] == 1
    assert isinstance(refused(books.url, "usage", "--project", "nothing"), NotFound)
    assert isinstance(refused(books.url, "usage", "--key", "nothing"), NotFound)


def test_estimated_and_unpriced_calls_are_listed_one_by_one_newest_first(books: Books) -> None:
    rows = read(books, "usage", "--estimated", *NOVEMBER)["data"]
    assert [(row["cost_state"], row["amount_nanos"]) for row in rows] == [
        ("unpriced", None),
        ("estimated", 250_000_000),
    ]
    assert rows[0]["request_id"] == f"req_{books.records[3].call_id.hex()}"
    assert rows[1]["amount_usd"] == Decimal("0.25")
    table = shown(books, "usage", "--estimated", *NOVEMBER)
    assert "the client left" in table
    assert "no price is known for this model" in table
    assert "2026-11-10 10:00:00" in table
    assert read(books, "usage", "--estimated", "--limit", "1", *NOVEMBER)["data"] == rows[:1]
    assert read(books, "usage", "--estimated", "--project", "search", *NOVEMBER)["data"] == []
    assert "No estimated" in shown(books, "usage", "--estimated", "--project", "search", *NOVEMBER)


def test_one_record_is_shown_whole(books: Books) -> None:
    request_id = f"req_{books.records[0].call_id.hex()}"
    found = read(books, "usage", "--record", request_id)
    assert (found["request_id"], found["amount_usd"]) == (request_id, Decimal("1.500000001"))
    assert [(line["dimension"], line["amount_nanos"], line["source"]) for line in found["lines"]] == [
        ("input", 1_500_000_000, "catalogue gpt-4o"),
        ("output", 1, "own price_1"),
    ]
    assert found["labels"] == {"feature": "ask"}
    text = shown(books, "usage", "--record", request_id)
    for part in (
        "$1.500000001",
        "$1.50",
        "own price_1",
        "asked for fast",
        "search prod",
        "1,234.567 ms",
        "feature=ask",
    ):
        assert part in text, part
    assert "unpriced" in shown(books, "usage", "--record", books.records[3].call_id.hex())
    assert isinstance(refused(books.url, "usage", "--record", f"req_{uuid7().hex()}"), NotFound)
    assert isinstance(refused(books.url, "usage", "--record", "req_1"), InvalidRequest)


def test_another_organizations_record_is_not_found(books: Books) -> None:
    asyncio.run(_add_organization(books.url, "Globex"))
    request_id = f"req_{books.records[0].call_id.hex()}"
    assert isinstance(refused(books.url, "usage", "--record", request_id, "--org", "Globex"), NotFound)
    assert read(books, "usage", "--org", "Globex", *NOVEMBER)["data"] == []
    assert read(books, "usage", "--org", "Acme", *NOVEMBER)["total"]["requests"] == 4


async def _add_organization(url: str, name: str) -> None:
    store = Store.open(url)
    await store.write(lambda c: create_organization(c, name))
    await store.aclose()


def test_without_days_usage_is_of_thirty_days_and_costs_of_this_month(empty_books: str) -> None:
    today = datetime.fromtimestamp(now_us() / 1_000_000, tz=UTC).date()
    answer = json.loads(call("usage", "--json", "--database", empty_books).output)
    assert (answer["to"], (today - datetime.fromisoformat(answer["from"]).date()).days) == (today.isoformat(), 29)
    answer = json.loads(call("costs", "--json", "--database", empty_books).output)
    assert (answer["from"], answer["to"]) == (today.replace(day=1).isoformat(), today.isoformat())
    assert (answer["data"], answer["total"]["cost_usd"]) == ([], 0)


def test_with_nothing_to_show_it_says_what_to_do(empty_books: str) -> None:
    for command in ("usage", "costs"):
        result = call(command, "--database", empty_books)
        assert result.exit_code == 0
        assert "No calls in this time" in result.output
        assert "--from" in result.output


@pytest.mark.parametrize(
    "options",
    [
        ("--by", "colour"),
        ("--by", "label:"),
        ("--by", "day,hour"),
        ("--by", "label:a,label:b"),
        ("--by", "label:a,key"),
        ("--by", "label:a", "--key", "any"),
        ("--from", "yesterday"),
        ("--from", "2026-11-02", "--to", "2026-11-01"),
        ("--to", "0001-01-01"),
    ],
)
def test_a_question_that_makes_no_sense_is_wrong_usage(empty_books: str, options: tuple[str, ...]) -> None:
    for command in ("usage", "costs"):
        result = call(command, *options, "--database", empty_books)
        assert result.exit_code == 2, (result.output, result.exception)


def test_a_narrow_terminal_cuts_no_number(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    for options in (("costs", "--by", "project,key,model"), ("usage", "--by", "day,project")):
        assert "$1.750000003" in shown(books, *options, *NOVEMBER)
    assert f"req_{books.records[3].call_id.hex()}" in shown(books, "usage", "--estimated", *NOVEMBER)


def test_words_from_outside_neither_style_nor_steer_the_terminal(sqlite_url: str) -> None:
    books = asyncio.run(_fill(sqlite_url))
    hostile = record(
        books.organization_id,
        books.search,
        books.keys[0],
        "2026-11-20T00:00:00",
        model_served="[/red]\x1b[2Jmodel",
        labels={"feature": "[bold]\x1b]0;owned\x07"},
        is_estimated=True,
        cost_state=CostState.ESTIMATED,
        reason="[link=x]\x1b[31m",
    )
    asyncio.run(_insert(sqlite_url, hostile))
    for options in (("--by", "label:feature"), ("--by", "model"), ("--estimated",)):
        text = shown(books, "usage", *options, *NOVEMBER)
        assert "\x1b" not in text
        assert "[" in text
    assert "\x1b" not in shown(books, "usage", "--record", hostile.call_id.hex())


async def _insert(url: str, made: UsageRecord) -> None:
    store = Store.open(url)
    await store.insert_usage([made], slot="a")
    await store.aclose()


def test_amounts_are_shown_with_all_their_digits() -> None:
    assert usage_table.dollars(1_234_567_890_000_000_001) == "$1,234,567,890.000000001"
    assert usage_table.dollars(-1_500_000_000) == "-$1.50"
    assert usage_table.dollars(0, 4) == "$0.0000"
    assert usage_table.dollars(None) == "–"
    assert usage_table.places_of([1_500_000_000, 1_250, None]) == 8
    assert usage_table.share(1, 3) == "33.3 %"
    assert usage_table.share(2, 3) == "66.7 %"
    assert usage_table.share(1, 0) == "–"
    assert usage_table.share(None, 5) == "–"


def test_teams_and_members_are_named_and_what_is_nobodys_is_said_so(books: Books) -> None:
    team_id, member_id = asyncio.run(_staff(books))
    rows = read(books, "usage", "--by", "team", *NOVEMBER)["data"]
    assert {(row["team_id"], row["team_name"], row["requests"]) for row in rows} == {
        (team_id, "Research", 2),
        (None, None, 2),
    }
    rows = read(books, "costs", "--by", "member,project", *NOVEMBER)["data"]
    assert {(row["member_id"], row["member_name"], row["project_name"]) for row in rows} == {
        (member_id, "kim@example.com", "search"),
        (None, None, "chat"),
    }
    assert "Research" in (table := shown(books, "usage", "--by", "team", *NOVEMBER))
    assert "(no team)" in table
    assert "(no member)" in shown(books, "usage", "--by", "member", *NOVEMBER)
    by_label = read(books, "usage", "--by", "team,label:feature", *NOVEMBER)["data"]
    assert sum(row["requests"] for row in by_label) == 4


async def _staff(books: Books) -> tuple[str, str]:
    """Give the project search a team, and its key to a member; returns their ids."""
    store = Store.open(books.url)
    try:
        team = await store.write(lambda c: create_team(c, books.organization_id, name="Research"))
        await store.write(lambda c: change_project(c, books.organization_id, books.search, {"team_id": team.id}))
        account_id = await add_account(store, "kim@example.com")
        member = await store.write(lambda c: add_member(c, books.organization_id, account_id))
        give = update(api_key).where(api_key.c.id == books.keys[0]).values(member_id=member.id, kind="member")
        await store.write(lambda c: c.execute(give))
        return team.id, member.id
    finally:
        await store.aclose()


@pytest.mark.parametrize("command", ["usage", "costs"])
def test_files_have_the_figures_of_the_json_to_the_nano(books: Books, tmp_path: Path, command: str) -> None:
    asked = (command, "--by", "day,project", *NOVEMBER)
    lines = read(books, *asked)["data"]
    out = tmp_path / "usage.parquet"
    assert shown(books, *asked, "--format", "parquet", "--out", str(out)) == ""
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    table = pq.read_table(out)
    rows = table.to_pylist()
    text = shown(books, *asked, "--format", "csv").removeprefix("\ufeff")
    cells = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(cells) == len(lines) == 3
    for line, row, cell in zip(lines, rows, cells, strict=True):
        assert row["cost_usd"] == line["cost_usd"]
        assert (Decimal(cell["cost_usd"]) if cell["cost_usd"] else None) == line["cost_usd"]
        assert (row["day"].isoformat(), cell["day"]) == (line["day"], line["day"])
        assert (row["project_id"], row["project_name"]) == (line["project_id"], line["project_name"])
        assert int(row["start_time"].timestamp()) == line["start_time"]
        assert row["requests"] == int(cell["requests"]) == line["requests"]
    assert table.schema.metadata[b"tollkeeper.organization_id"] == books.organization_id.encode()
    piped = CliRunner().invoke(app, [*asked, "--format", "parquet", "--database", books.url])
    assert pq.read_table(io.BytesIO(piped.stdout_bytes)).to_pylist() == rows


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "xlsx"),
        ("--format", "csv", "--json"),
        ("--out", "x.csv"),
        ("--format", "csv", "--estimated"),
        ("--format", "parquet", "--record", "req_" + "0" * 32),
    ],
)
def test_options_of_files_that_do_not_go_together_are_wrong_usage(
    empty_books: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("usage", *options, "--database", empty_books).exit_code == 2
    assert [path.name for path in tmp_path.glob("x.*")] == []


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(empty_books: str, tmp_path: Path) -> None:
    out = tmp_path / "nowhere" / "usage.csv"
    error = refused(empty_books, "usage", "--format", "csv", "--out", str(out))
    assert "cannot be written" in error.message
