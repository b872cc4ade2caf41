"""Rules of rate as they are administered: who may set them, what they hold for, and that keys carry them at once."""

from __future__ import annotations

from typing import Any

import pytest
from admin_factories import ONLY_SQLITE, client_of, running_app
from tests.fakes.new_keys import create_admin_key
from tests.keys.workshop import PEPPER, Workshop

from tollkeeper.control import rate_limits, roles
from tollkeeper.control.rate_limits import RULES_MAX, RateTerms
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.domain.rate_limit import RATE_MAX, RateLimitRow
from tollkeeper.store import rate_limits as rate_limit_rows


async def limit(workshop: Workshop, scope_id: str, *, who: Any = None, **terms: Any) -> RateLimitRow:
    wanted = RateTerms(**{"requests_per_minute": 60, **terms})
    made: RateLimitRow = await workshop.company.change(who, rate_limits.set_rate_limit, scope_id, terms=wanted)
    return made


async def test_a_key_carries_every_rule_on_its_path_the_organizations_first(workshop: Workshop) -> None:
    company = workshop.company
    made = await workshop.own(workshop.developer, project_ids=(workshop.search.id,))
    scopes = [company.id, workshop.team.id, workshop.search.id, workshop.developer.member_id, made.record.id]
    for number, scope_id in enumerate(reversed(scopes)):
        await limit(workshop, scope_id, requests_per_minute=100 + number)
    for elsewhere in (workshop.chat.id, workshop.ops.id, workshop.lead.member_id):
        await limit(workshop, elsewhere)
    await limit(workshop, workshop.search.id, requests_per_minute=None, tokens_per_minute=9, model="gpt-4o")
    found = (await workshop.held(made)).rates
    assert [each.scope_id for each in found] == [*scopes[:3], workshop.search.id, *scopes[3:]]
    assert [each.requests_per_minute for each in found] == [104, 103, 102, None, 101, 100]
    assert [each.scope_name for each in found] == [
        "Acme",
        "search team",
        "search",
        "search",
        workshop.developer.email,
        "my key",
    ]
    assert (found[3].model, found[3].tokens_per_minute) == ("gpt-4o", 9)


async def test_the_limits_in_a_keys_own_terms_come_last_and_changes_replace_them(workshop: Workshop) -> None:
    made = await workshop.service(terms=KeyTerms(rate_limit=RateLimit(7, None, 700)))
    (own,) = (await workshop.held(made)).rates
    assert (own.id, own.scope_kind, own.scope_id, own.scope_name) == (
        made.record.id,
        "api_key",
        made.record.id,
        "a service",
    )
    assert (own.requests_per_minute, own.tokens_per_minute) == (7, 700)
    await workshop.update(None, made, rate_limit=RateLimit(requests_per_day=5))
    assert (await workshop.held(made)).rates == ()


async def test_a_key_of_several_projects_carries_the_rules_of_each(workshop: Workshop) -> None:
    own_projects = (workshop.search.id, workshop.chat.id)
    made = await workshop.own(workshop.lead, project_ids=own_projects, terms=KeyTerms(rate_limit=RateLimit(3)))
    await limit(workshop, workshop.chat.id, requests_per_minute=11)
    found = await workshop.held(made)
    assert [each.requests_per_minute for each in found.rates] == [3]
    assert [each.requests_per_minute for each in found.in_project(workshop.chat.id).rates] == [11, 3]


async def test_an_administration_key_has_no_rate(workshop: Workshop) -> None:
    made = await workshop.admin_key()
    await limit(workshop, workshop.company.id)
    assert (await workshop.held(made)).rates == ()
    with pytest.raises(InvalidRequest):
        await limit(workshop, made.record.id)


async def test_a_rule_replaces_the_one_for_the_same_model_and_is_told_to_replicas(workshop: Workshop) -> None:
    company = workshop.company
    first = await limit(workshop, workshop.search.id, requests_per_minute=10, tokens_per_minute=100)
    second = await limit(workshop, workshop.search.id, requests_per_minute=20)
    assert (second.id, second.requests_per_minute, second.tokens_per_minute) == (first.id, 20, None)
    other = await limit(workshop, workshop.search.id, model="gpt-4o")
    assert other.id != first.id
    await company.change(None, rate_limits.delete_rate_limit, first.id)
    found = await company.look(None, rate_limits.list_rate_limits)
    assert [each.id for each in found] == [other.id]
    assert (await company.changes("limit")).count(workshop.search.id) >= 4
    events = [event for event in await company.events() if event.action.startswith("rate_limit.")]
    assert [event.action for event in events] == ["rate_limit.set"] * 3 + ["rate_limit.delete"]
    assert '"requests_per_minute":10' in str(events[1].before)
    with pytest.raises(NotFound):
        await company.change(None, rate_limits.delete_rate_limit, first.id)


async def test_rules_are_managed_one_level_above(workshop: Workshop) -> None:
    """A team's lead limits its projects, its keys, but not the team; who sees nothing of it is told that it is not there."""
    company, lead = workshop.company, workshop.lead
    await limit(workshop, workshop.search.id, who=lead)
    service = await workshop.service()
    of_key = await limit(workshop, service.record.id, who=lead)
    for scope_id in (workshop.team.id, company.id):
        with pytest.raises(PermissionDenied):
            await limit(workshop, scope_id, who=lead)
    for scope_id in (workshop.ops.id, workshop.developer.member_id, "team_nothing", "mem_nothing", "key_nothing"):
        with pytest.raises(NotFound):
            await limit(workshop, scope_id, who=lead)
    with pytest.raises(PermissionDenied):
        await limit(workshop, workshop.search.id, who=workshop.developer)
    with pytest.raises(PermissionDenied):
        await company.change(workshop.developer, rate_limits.delete_rate_limit, of_key.id)
    of_ops = await limit(workshop, workshop.ops.id)
    with pytest.raises(NotFound, match=of_ops.id):
        await company.change(lead, rate_limits.delete_rate_limit, of_ops.id)


async def test_lists_show_what_the_caller_may_read(workshop: Workshop) -> None:
    company = workshop.company
    await company.change(None, roles.create_role, name="reader", permissions=frozenset({"quota:read"}))
    reader = await company.hire("reader", ("reader", workshop.team.id))
    service = await workshop.service(project_id=workshop.chat.id)
    for scope_id in (company.id, workshop.team.id, workshop.search.id, service.record.id, workshop.ops.id):
        await limit(workshop, scope_id)
    everything = await company.look(None, rate_limits.list_rate_limits)
    seen = await company.look(reader, rate_limits.list_rate_limits)
    assert len(everything) == 5
    assert {each.scope_id for each in seen} == {workshop.team.id, workshop.search.id, service.record.id}
    pages = [everything[0].id]
    while page := await company.look(None, rate_limits.list_rate_limits, after=pages[-1], limit=1):
        pages.append(page[0].id)
    assert pages == sorted(each.id for each in everything)
    (only,) = await company.look(reader, rate_limits.list_rate_limits, scope_id=workshop.search.id)
    assert only.scope_id == workshop.search.id
    with pytest.raises(NotFound):
        await company.look(reader, rate_limits.list_rate_limits, scope_id=workshop.ops.id)
    with pytest.raises(PermissionDenied):
        await company.look(reader, rate_limits.list_rate_limits, scope_id=company.id)


@ONLY_SQLITE
@pytest.mark.parametrize(
    "terms",
    [
        RateTerms(),
        RateTerms(0),
        RateTerms(1, -5),
        RateTerms(RATE_MAX + 1),
        RateTerms(1, model="x" * 201),
        RateTerms(1, model="a\nb"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused(workshop: Workshop, terms: RateTerms) -> None:
    with pytest.raises(InvalidRequest):
        await workshop.company.change(None, rate_limits.set_rate_limit, workshop.search.id, terms=terms)


@ONLY_SQLITE
async def test_a_scope_has_no_more_rules_than_a_call_can_look_at(workshop: Workshop) -> None:
    for number in range(RULES_MAX):
        await limit(workshop, workshop.search.id, model=f"model-{number}")
    with pytest.raises(Conflict):
        await limit(workshop, workshop.search.id, model="one more")
    await limit(workshop, workshop.search.id, model="model-3", requests_per_minute=1)


async def test_the_rules_of_a_scope_can_be_taken_away_together(workshop: Workshop) -> None:
    for model in ("", "gpt-4o"):
        await limit(workshop, workshop.search.id, model=model)
    await limit(workshop, workshop.chat.id)
    company = workshop.company
    await company.store.write(lambda c: rate_limit_rows.delete_rate_limits_of(c, company.id, workshop.search.id))
    (left,) = await company.look(None, rate_limits.list_rate_limits)
    assert left.scope_id == workshop.chat.id


@ONLY_SQLITE
async def test_the_routes_set_list_and_delete(workshop: Workshop) -> None:
    admin = await create_admin_key(workshop.store, PEPPER, workshop.company.id, name="admin")
    service = await workshop.service()
    async with running_app(workshop.store) as app, client_of(app, admin.key) as client:
        body = {"scope": workshop.search.id, "model": "gpt-4o", "requests_per_minute": 30, "tokens_per_minute": 9000}
        made = await client.put("/v1/rate-limits", json=body)
        assert made.status_code == 200, made.text
        told = made.json()
        assert {name: told[name] for name in body} == body
        assert (told["object"], told["scope_kind"]) == ("rate_limit", "project")
        assert told["id"].startswith("rate_")
        of_all = await client.put("/v1/rate-limits", json={"scope": service.record.id, "tokens_per_minute": 5})
        assert (of_all.json()["model"], of_all.json()["requests_per_minute"]) == (None, None)
        listed = (await client.get("/v1/rate-limits", params={"limit": 1})).json()
        assert (len(listed["data"]), listed["has_more"]) == (1, True)
        one = (await client.get("/v1/rate-limits", params={"scope": workshop.search.id})).json()
        assert one["data"] == [told]
        gone = await client.delete(f"/v1/rate-limits/{told['id']}")
        assert gone.json() == told
        assert (await client.delete(f"/v1/rate-limits/{told['id']}")).status_code == 404
        for wrong in (
            {"scope": workshop.search.id},
            {"scope": workshop.search.id, "requests_per_minute": 0},
            {"scope": workshop.search.id, "requests_per_minute": 1.5},
            {"scope": workshop.search.id, "requests_per_minute": True},
            {"scope": workshop.search.id, "tokens_per_minute": RATE_MAX + 1},
            {"scope": workshop.search.id, "requests_per_minute": 1, "model": ""},
            {"scope": workshop.search.id, "requests_per_minute": 1, "burst": 5},
        ):
            assert (await client.put("/v1/rate-limits", json=wrong)).status_code == 400, wrong
    async with running_app(workshop.store) as app, client_of(app, service.key) as client:
        assert (await client.get("/v1/rate-limits")).status_code == 403
