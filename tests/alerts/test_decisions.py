"""Any call can be explained, admitted or refused, by whoever may read the quotas of its project, and by nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alert_factories import USD, put_budget, put_call, put_lease, put_node, run_command
from sqlalchemy import delete
from tests.admin.admin_factories import ONLY_SQLITE, client_of, running_app
from tests.fakes.new_keys import create_admin_key, create_project_key
from tests.tenancy.company import PEPPER, Company, Person, found_company

from tollkeeper.control.decisions import describe_decision, explain_call
from tollkeeper.control.rate_limits import RateTerms, set_rate_limit
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import RateFigure
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.refused_calls import RefusedCalls
from tollkeeper.store.schema_limits import budget, lease

BUDGET = {
    "kind": "budget",
    "budget_id": "bud_1",
    "scope_kind": "project",
    "scope_id": "proj_1",
    "scope_name": "검색 서비스",
    "model": "",
    "unit": "usd",
    "period": "monthly",
    "limit": 5 * USD,
    "used": 5 * USD - 1,
    "reserved": 1,
    "left": 0,
    "needed": 26,
    "resets_at_us": 1_793_491_200_000_000,
    "is_decisive": True,
}
RATE = {
    "kind": "rate",
    "rate_limit_id": "rate_1",
    "scope_kind": "api_key",
    "scope_id": "key_1",
    "scope_name": "prod",
    "model": "gpt-4o",
    "unit": "requests",
    "period": "minute",
    "limit": 60,
    "used": 3,
    "is_decisive": False,
}


async def refuse(company: Company, project_id: str, *looked_at: dict[str, Any]) -> str:
    call = RefusedCall(
        uuid7(), company.id, project_id, "key_1", "gpt-4o", now_us(), 429, "insufficient_quota", "Used up.", looked_at
    )
    await RefusedCalls(company.store).insert_refusals([call])
    return f"req_{call.call_id.hex()}"


async def explained(company: Company, request_id: str, who: Person | None = None) -> dict[str, Any]:
    found: dict[str, Any] = describe_decision(await company.look(who, explain_call, request_id))
    return found


async def test_a_refused_call_is_explained_with_the_figures_of_that_moment(company: Company) -> None:
    request_id = await refuse(company, company.default.id, BUDGET, RATE)
    found = await explained(company, request_id)
    assert (found["outcome"], found["status"], found["code"], found["message"]) == (
        "refused",
        429,
        "insufficient_quota",
        "Used up.",
    )
    assert (found["request_id"], found["reserved_usd"], found["cost_usd"]) == (request_id, None, None)
    first, second = found["limits"]
    assert (first["id"], first["scope_name"], first["decisive"]) == ("bud_1", "검색 서비스", True)
    assert [str(first[name]) for name in ("limit", "used", "reserved", "left", "needed")] == [
        "5",
        "4.999999999",
        "1E-9",
        "0",
        "2.6E-8",
    ]
    assert first["resets_at"] == "2026-11-01T00:00:00Z"
    assert (second["kind"], second["id"], second["unit"], second["limit"], second["left"]) == (
        "rate",
        "rate_1",
        "requests",
        60,
        None,
    )


async def test_an_admitted_call_names_the_budgets_that_it_drew_on(company: Company) -> None:
    budget_id = await put_budget(company, company.id, 100 * USD)
    await put_node(company, budget_id, limit=100 * USD, used=0, end_us=1_793_491_200_000_000)
    lease_id = await put_lease(company, budget_id, amount=USD)
    draw = Draw(lease_id, 26, left=USD, limit=100 * USD, used=7)
    record = await put_call(company, company.default.id, draw, reserved_nanos=1_000, amount_nanos=26)
    found = await explained(company, record.call_id.hex())
    assert (found["outcome"], found["code"], found["message"]) == ("admitted", None, None)
    assert (str(found["reserved_usd"]), str(found["cost_usd"])) == ("0.000001", "2.6E-8")
    (limit,) = found["limits"]
    assert (limit["id"], limit["scope_kind"], limit["scope_name"]) == (budget_id, "organization", "Acme")
    assert [str(limit[name]) for name in ("limit", "used", "left", "at_hand", "needed", "charged")] == [
        "100",
        "7E-9",
        "99.999999993",
        "1",
        "0.000001",
        "2.6E-8",
    ]
    assert limit["resets_at"] == "2026-11-01T00:00:00Z"


async def test_a_limit_that_is_gone_is_still_counted(company: Company) -> None:
    budget_id = await put_budget(company, company.id, 100 * USD)
    lease_id = await put_lease(company, budget_id, amount=USD)
    record = await put_call(company, company.default.id, Draw(lease_id, 26, left=5), reserved_nanos=1)
    await company.store.write(lambda c: c.execute(delete(budget)))
    (limit,) = (await explained(company, record.call_id.hex()))["limits"]
    assert (limit["id"], limit["scope_id"], limit["at_hand"], limit["charged"]) == (budget_id, None, 5, 26)
    assert limit["left"] is None, "nobody wrote the limit down"
    await company.store.write(lambda c: c.execute(delete(lease)))
    (limit,) = (await explained(company, record.call_id.hex()))["limits"]
    assert (limit["id"], limit["at_hand"], limit["charged"]) == (None, 5, 26)


async def test_what_is_left_of_a_budget_is_not_what_one_process_had_at_hand(company: Company) -> None:
    """A process that had 0 requests at hand of 1,000 was shown as if the budget were used up."""
    budget_id = await put_budget(company, company.id, 1000, unit="requests")
    lease_id = await put_lease(company, budget_id, amount=10)
    overdrawn = await put_lease(company, budget_id, amount=10)
    draws = (Draw(lease_id, 1, left=0, limit=1000, used=10), Draw(overdrawn, 1, left=3, limit=1000, used=1001))
    record = await put_call(company, company.default.id, *draws)
    limits = (await explained(company, record.call_id.hex()))["limits"]
    assert [(each["left"], each["at_hand"]) for each in limits] == [(990, 0), (0, 3)]
    refused = await explained(company, await refuse(company, company.default.id, BUDGET))
    assert refused["limits"][0]["at_hand"] is None


async def test_a_rate_says_whose_it_is_and_a_keys_own_one_too(company: Company) -> None:
    terms = RateTerms(requests_per_minute=60, model="gpt-4o")
    rule = await company.change(None, set_rate_limit, company.id, terms=terms)
    key = await create_project_key(company.store, PEPPER, company.id, project_id=company.default.id, name="prod")
    rates = tuple(RateFigure(each, "requests", 60, 59) for each in (rule.id, key.record.id, "rate_gone"))
    record = await put_call(company, company.default.id, rates=rates)
    limits = (await explained(company, record.call_id.hex()))["limits"]
    assert [(each["scope_kind"], each["scope_id"], each["scope_name"], each["model"]) for each in limits] == [
        ("organization", company.id, "Acme", "gpt-4o"),
        ("api_key", key.record.id, "prod", None),
        (None, None, None, None),
    ]
    assert [(each["id"], each["left"], each["at_hand"]) for each in limits][1] == (key.record.id, 59, None)


async def test_what_the_caller_may_not_see_is_as_if_it_were_not_there(company: Company) -> None:
    first, second = await company.team("first"), await company.team("second")
    project = await company.project("web", first)
    lead = await company.hire("lead", ("team_admin", first.id))
    other = await company.hire("other", ("team_admin", second.id))
    viewer = await company.hire("viewer", ("viewer", project.id))  # reads summaries of quotas only
    refused = await refuse(company, project.id, BUDGET)
    admitted = f"req_{(await put_call(company, project.id)).call_id.hex()}"
    nothing = f"req_{uuid7().hex()}"
    stranger = await found_company(company.store, "Other")
    for request_id in (refused, admitted):
        assert (await explained(company, request_id, lead))["project_id"] == project.id
        for who in (other, viewer):
            with pytest.raises(NotFound) as hidden:
                await explained(company, request_id, who)
            with pytest.raises(NotFound) as missing:
                await explained(company, nothing, who)
            assert hidden.value.message.replace(request_id, nothing) == missing.value.message
        with pytest.raises(NotFound):
            await stranger.look(None, explain_call, request_id)
    with pytest.raises(InvalidRequest):
        await explained(company, "req_nonsense")


@ONLY_SQLITE
async def test_over_the_api_amounts_are_exact_numbers(company: Company) -> None:
    key = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    request_id = await refuse(company, company.default.id, BUDGET)
    async with running_app(company.store) as app, client_of(app, key.key) as client:
        answer = await client.get(f"/v1/decisions/{request_id}")
        assert answer.status_code == 200
        assert '"used":4.999999999' in answer.text
        assert answer.json()["outcome"] == "refused"
        missing = await client.get(f"/v1/decisions/req_{uuid7().hex()}")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


@ONLY_SQLITE
async def test_at_the_command_line_it_is_a_table_or_json(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())
    request_id = await refuse(company, company.default.id, BUDGET, RATE)
    shown = await run_command(company, "explain", request_id)
    assert "refused with status 429, insufficient_quota" in shown
    decisive, figures, _, other, _ = shown.splitlines()[-5:]
    assert decisive == "▶ monthly budget of project 검색 서비스: $5.00, begins anew 2026-11-01 09:00 KST"
    assert figures == ("    $4.999999999 used, $0.000000001 reserved, $0.00 left, $0.000000026 needed")
    assert other == "  rate limit of api key prod, gpt-4o: 60 requests a minute"
    assert f"project {company.default.name} ({company.default.id})" in shown
    found = json.loads(await run_command(company, "explain", request_id, "--json"))
    assert (found["object"], found["limits"][0]["used"]) == ("decision", 4.999999999)
