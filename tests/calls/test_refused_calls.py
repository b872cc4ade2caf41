"""Refused calls on both databases: each is found once, newest first, by who may see its project's calls or made it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.admin.admin_factories import ONLY_SQLITE, client_of, running_app
from tests.analytics.ledger import Ledger
from tests.keys.workshop import Workshop
from tests.tenancy.company import Person, found_company

from tollkeeper.admin.refused_calls import RefusalsAnswer
from tollkeeper.control.calls import CallFilters, CallSearch
from tollkeeper.control.refused_calls import RefusalPage, find_refusals, open_refusal
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store import refusal_search
from tollkeeper.store.engine import Store
from tollkeeper.store.refused_calls import RefusedCalls

BUDGET = {
    "kind": "budget", "budget_id": "bud_1", "scope_kind": "project", "scope_id": "proj_1", "scope_name": "검색",
    "model": "", "unit": "usd", "period": "monthly", "limit": 5_000_000_000, "used": 4_999_999_999, "reserved": 1,
    "left": 0, "needed": 26, "resets_at_us": 1_793_491_200_000_000, "is_decisive": True,
}  # fmt: skip
_MINUTE_US = 60_000_000


@pytest.fixture
async def refused(ledger: Ledger) -> list[RefusedCall]:
    """Forty refused calls of three keys, minutes apart over an hour before midnight and after; newest first."""
    keys, now = list(ledger.keys.values()), now_us()
    found = []
    for number in range(40):
        key, at_us = keys[number % len(keys)], now - number * 50 * _MINUTE_US
        model, limits = ("gpt-4o", (BUDGET,)) if number % 2 else ("o3", ())
        code, status = ("insufficient_quota", 429) if limits else ("model_not_allowed", 403)
        found.append(
            RefusedCall(uuid7(at_us), ledger.id, key.project_id, key.id, model, at_us, status, code, "No.", limits)
        )
    await RefusedCalls(ledger.workshop.store).insert_refusals(found)
    return sorted(found, key=lambda each: each.call_id, reverse=True)


async def every_page(workshop: Workshop, who: Person | None, search: CallSearch) -> tuple[list[bytes], int]:
    """Return the ids on all pages, and how many pages there were."""
    found, pages = [], 0
    while True:
        page: RefusalPage = await workshop.company.look(who, find_refusals, search)
        found += [each.decision.call_id for each in page.refused]
        pages += 1
        if page.end is None:
            return found, pages
        search = msgspec.structs.replace(search, after=page.end)


@pytest.mark.parametrize(("rows_max", "limit"), [(20_000, 100), (20_000, 7), (7, 100), (1, 3)])
async def test_each_that_matches_is_found_once_and_newest_first(
    ledger: Ledger, refused: list[RefusedCall], monkeypatch: pytest.MonkeyPatch, rows_max: int, limit: int
) -> None:
    monkeypatch.setattr(refusal_search, "ROWS_MAX", rows_max)
    key = refused[3].api_key_id
    middle = refused[20].at_us // 1000 * 1000
    cases: list[tuple[CallSearch, list[RefusedCall]]] = [
        (CallSearch(), refused),
        (CallSearch(filters=CallFilters(columns={"model": ("o3",)})), [e for e in refused if e.model == "o3"]),
        (CallSearch(filters=CallFilters(columns={"api_key_id": (key,)})), [e for e in refused if e.api_key_id == key]),
        (CallSearch(filters=CallFilters(statuses=((403, 403),))), [e for e in refused if e.status == 403]),
        (CallSearch(from_us=middle), [e for e in refused if e.at_us >= middle]),
        (CallSearch(to_us=middle), [e for e in refused if e.at_us < middle]),
        (CallSearch(request_id=f"req_{refused[5].call_id.hex()}"), [refused[5]]),
        (CallSearch(filters=CallFilters(columns={"model": ("none",)})), []),
    ]
    for search, expected in cases:
        found, _ = await every_page(ledger.workshop, None, msgspec.structs.replace(search, limit=limit))
        assert found == [each.call_id for each in expected], search


async def test_a_page_reads_so_many_and_says_how_far_it_has_looked(
    ledger: Ledger, refused: list[RefusedCall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_search, "ROWS_MAX", 10)
    search = CallSearch(filters=CallFilters(columns={"model": ("none",)}))
    page = await ledger.workshop.company.look(None, find_refusals, search)
    assert (page.refused, page.end) == ([], refused[9].call_id)
    assert (await every_page(ledger.workshop, None, search)) == ([], 5)


async def test_everybody_finds_what_they_may_see_and_nobody_elses(ledger: Ledger, refused: list[RefusedCall]) -> None:
    workshop = ledger.workshop
    ids, owners = {key.id: key for key in ledger.keys.values()}, {}
    for each in refused:
        owners[each.call_id] = (ids[each.api_key_id].member_id, each.project_id)
    in_team = {workshop.search.id}
    for who, sees in (
        (workshop.admin, lambda member, project: True),
        (workshop.lead, lambda member, project: project in in_team or member == workshop.lead.member_id),
        (workshop.developer, lambda member, project: member == workshop.developer.member_id),
    ):
        found, _ = await every_page(workshop, who, CallSearch())
        if who is workshop.lead:
            assert {each for each in owners if owners[each][1] in in_team} <= set(found) < set(owners)
            continue
        assert found == [each.call_id for each in refused if sees(*owners[each.call_id])]
    with pytest.raises(PermissionDenied):
        await every_page(workshop, workshop.viewer, CallSearch())
    other = await found_company(workshop.store, "Globex")
    assert (await other.look(None, find_refusals, CallSearch())).refused == []
    for who in (workshop.admin, workshop.developer):
        mine = {*(await every_page(workshop, who, CallSearch()))[0]}
        for each in refused:
            reference = f"req_{each.call_id.hex()}"
            if each.call_id in mine:
                opened, names = await workshop.company.look(who, open_refusal, reference)
                assert opened.decision.code == each.code
                assert names["api_key_id"][each.api_key_id]
            else:
                with pytest.raises(NotFound):
                    await workshop.company.look(who, open_refusal, reference)
            with pytest.raises(NotFound):
                await other.look(None, open_refusal, reference)


async def test_who_may_not_read_quotas_reads_the_reason_but_no_figures(ledger: Ledger, store: Store) -> None:
    made = await ledger.workshop.service(name="observer", permissions=frozenset({"chat:create", "analytics:own"}))
    key, now = made.record, now_us()
    for limits in ((BUDGET,), ()):
        call = RefusedCall(uuid7(), ledger.id, key.project_id, key.id, "o3", now, 429, "x", "Said so.", limits)
        await RefusedCalls(store).insert_refusals([call])
    page = await ledger.workshop.company.look(await ledger.workshop.as_key(made), find_refusals, CallSearch())
    newest, of_limit = page.refused
    assert (newest.decision.message, newest.limit) == ("Said so.", None)
    assert (of_limit.decision.code, of_limit.decision.message, of_limit.limit) == ("x", "", None)
    whole = await ledger.workshop.company.look(None, find_refusals, CallSearch())
    limit = whole.refused[1].limit
    assert limit is not None
    assert (limit.scope_name, limit.used, whole.refused[1].decision.message) == ("검색", 4_999_999_999, "Said so.")


@pytest.mark.parametrize(
    "filters",
    [
        CallFilters(columns={"provider": ("openai",)}),
        CallFilters(labels=(("feature", None),)),
        CallFilters(cost_from_nanos=0),
        CallFilters(columns={"outcome": ("complete",)}),
    ],
)
async def test_what_only_sent_calls_have_is_no_filter(ledger: Ledger, filters: CallFilters) -> None:
    with pytest.raises(InvalidRequest, match="nothing else is known"):
        await ledger.workshop.company.look(None, find_refusals, CallSearch(filters=filters))


@ONLY_SQLITE
async def test_the_route_has_the_documents_shape_and_names_the_limit(
    ledger: Ledger, refused: list[RefusedCall], store: Store
) -> None:
    async with running_app(store) as app, client_of(app, (await ledger.workshop.admin_key()).key) as client:
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            answer = await client.get("/v1/usage/refusals", params={"limit": 15, "models": "gpt-4o", **after})
            assert answer.status_code == 200, answer.text
            RefusalsAnswer.model_validate_json(answer.content)
            page = json.loads(answer.text)
            found += page["data"]
            if not page["has_more"]:
                break
            after = {"after": page["last_id"]}
        assert [each["request_id"] for each in found] == [
            f"req_{each.call_id.hex()}" for each in refused if each.model == "gpt-4o"
        ]
        assert {(each["code"], each["limit"]["id"], each["limit"]["decisive"]) for each in found} == {
            ("insufficient_quota", "bud_1", True)
        }
        for query, param in (({"after": "zz"}, "after"), ({"providers": "x"}, "providers"), ({"limit": "0"}, "limit")):
            wrong = await client.get("/v1/usage/refusals", params=query)
            assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, param)
