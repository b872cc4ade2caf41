"""Who may make which key, what it gets without being asked, and what an organization's policy makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.keys.workshop import CHAT, DAY_US, Workshop, in_days

from tollkeeper.control import roles
from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS
from tollkeeper.domain.api_key import KeyKind, KeyStatus, check_format
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms, RateLimit

FULL = KeyTerms(
    allowed_ips=("192.0.2.0/24", "2001:db8::1"),
    allowed_models=("gpt-4o*", "claude-sonnet-5"),
    rate_limit=RateLimit(100, 1_000, 50_000),
    labels={"feature": "검색", "purpose": "eval"},
)


async def test_a_services_key_comes_back_with_all_that_was_agreed(workshop: Workshop) -> None:
    expires_at_us = in_days(90)
    made = await workshop.service(permissions=CHAT, expires_at_us=expires_at_us, terms=FULL)
    check_format(made.key.encode())
    for found in (await workshop.found(made), await workshop.stored(made)):
        assert found == made.record
        assert (found.kind, found.status, found.project_id) == (KeyKind.SERVICE, KeyStatus.ACTIVE, workshop.search.id)
        assert (found.team_id, found.permissions, found.expires_at_us) == (workshop.team.id, CHAT, expires_at_us)
        assert found.terms == FULL


async def test_a_plain_key_has_no_terms_to_keep_in_memory(workshop: Workshop) -> None:
    made = await workshop.service(terms=KeyTerms())
    assert made.record.terms is None
    assert (await workshop.found(made)).terms is None


async def test_without_permissions_a_key_gets_those_for_calls_that_its_maker_has(workshop: Workshop) -> None:
    assert (await workshop.service()).record.permissions == INFERENCE_PERMISSIONS
    some = await workshop.company.change(
        None, roles.create_role, name="half", description="", permissions=CHAT | {"api_key:create:limited"}
    )
    half = await workshop.company.hire("half", (some.id, workshop.search.id))
    assert (await workshop.own(half)).record.permissions == CHAT


async def test_an_administration_key_gets_what_its_maker_has_and_no_calls(workshop: Workshop) -> None:
    assert (await workshop.admin_key()).record.permissions == ADMIN_PERMISSIONS
    with pytest.raises(InvalidRequest, match="cannot call models: 'chat:create'"):
        await workshop.admin_key(permissions=CHAT)


async def test_an_administration_key_makes_keys_that_call_although_it_cannot(workshop: Workshop) -> None:
    admin = await workshop.as_key(await workshop.admin_key())
    made = await workshop.service(admin)
    assert made.record.permissions == INFERENCE_PERMISSIONS


@pytest.mark.parametrize("who", ["developer", "lead", "admin"])
async def test_people_make_keys_in_their_own_projects(workshop: Workshop, who: str) -> None:
    person = getattr(workshop, who)
    assert (await workshop.service(person, permissions=CHAT)).record.kind is KeyKind.SERVICE
    mine = await workshop.own(person)
    assert (mine.record.kind, mine.record.member_id) == (KeyKind.MEMBER, person.member_id)


@pytest.mark.parametrize(
    ("who", "project", "refusal"),
    [
        ("developer", "chat", NotFound),
        ("developer", "ops", NotFound),
        ("lead", "ops", NotFound),
        ("viewer", "search", PermissionDenied),
        ("viewer", "ops", NotFound),
    ],
)
async def test_nobody_makes_keys_elsewhere(
    workshop: Workshop, who: str, project: str, refusal: type[Exception]
) -> None:
    person, project_id = getattr(workshop, who), getattr(workshop, project).id
    with pytest.raises(refusal):
        await workshop.service(person, project_id=project_id)
    with pytest.raises(refusal):
        await workshop.own(person, project_ids=(project_id,))
    with pytest.raises((NotFound, PermissionDenied)):
        await workshop.own(person, project_ids=(workshop.search.id, project_id))


@pytest.mark.parametrize("who", ["developer", "lead", "viewer"])
async def test_only_who_may_make_keys_for_the_organization_makes_administration_keys(
    workshop: Workshop, who: str
) -> None:
    with pytest.raises(PermissionDenied, match="'api_key:create'"):
        await workshop.admin_key(getattr(workshop, who))


async def test_nobody_gives_a_key_what_they_do_not_have(workshop: Workshop) -> None:
    with pytest.raises(PermissionDenied, match="'project:manage'"):
        await workshop.service(workshop.developer, permissions=frozenset({"chat:create", "project:manage"}))
    finance = await _hire_with(workshop, "finance", {"billing:read", "api_key:create"})
    with pytest.raises(PermissionDenied, match="'audit:read'"):
        await workshop.admin_key(finance, permissions=frozenset({"billing:read", "audit:read"}))


async def test_making_keys_is_not_a_way_round_to_calling_models(workshop: Workshop) -> None:
    """An administration key with api_key:create hands calling out; who cannot call must not get one."""
    finance = await _hire_with(workshop, "finance", {"billing:read", "api_key:create"})
    with pytest.raises(PermissionDenied, match="'chat:create'"):
        await workshop.admin_key(finance, permissions=frozenset({"billing:read", "api_key:create"}))
    usual = await workshop.admin_key(finance)
    assert usual.record.permissions == {"billing:read", "api_key:create:limited"}
    with pytest.raises(PermissionDenied):
        await workshop.service(await workshop.as_key(usual))


async def test_only_a_member_has_a_members_key(workshop: Workshop) -> None:
    admin = await workshop.as_key(await workshop.admin_key())
    with pytest.raises(InvalidRequest, match="made by the member"):
        await workshop.own(admin)
    through_own_key = await workshop.own(workshop.developer, permissions=CHAT | {"api_key:create:limited"})
    further = await workshop.own(await workshop.as_key(through_own_key), permissions=CHAT)
    assert further.record.member_id == workshop.developer.member_id


async def test_a_key_makes_no_key_that_may_more_than_itself(workshop: Workshop) -> None:
    small = await workshop.as_key(
        await workshop.own(workshop.admin, permissions=frozenset({"models:list", "api_key:create"}))
    )
    with pytest.raises(PermissionDenied, match="'chat:create'"):
        await workshop.own(small, permissions=CHAT)
    assert (await workshop.own(small)).record.permissions == {"models:list"}
    with pytest.raises(NotFound):
        await workshop.own(small, project_ids=(workshop.chat.id,))


@pytest.mark.parametrize(
    "terms",
    [
        KeyTerms(allowed_ips=("192.0.2.1",)),
        KeyTerms(allowed_models=("gpt-4o-mini",)),
        KeyTerms(rate_limit=RateLimit(requests_per_day=5)),
    ],
)
async def test_a_limited_key_makes_and_changes_no_keys(workshop: Workshop, terms: KeyTerms) -> None:
    limited = await workshop.own(workshop.admin, permissions=CHAT | {"api_key:create"}, terms=terms)
    caller = await workshop.as_key(limited)
    with pytest.raises(PermissionDenied, match="of its own"):
        await workshop.own(caller, permissions=CHAT)
    with pytest.raises(PermissionDenied, match="of its own"):
        await workshop.update(caller, limited, allowed_ips=(), allowed_models=(), rate_limit=RateLimit())
    with pytest.raises(PermissionDenied, match="of its own"):
        await workshop.rotate(caller, limited)


async def test_a_key_that_ends_makes_none_that_outlives_it(workshop: Workshop) -> None:
    ends = in_days(3)
    mortal = await workshop.own(workshop.admin, permissions=CHAT | {"api_key:create"}, expires_at_us=ends)
    caller = await workshop.as_key(mortal)
    assert (await workshop.own(caller, permissions=CHAT)).record.expires_at_us == ends
    assert (await workshop.own(caller, permissions=CHAT, expires_at_us=in_days(9))).record.expires_at_us == ends
    with pytest.raises(PermissionDenied, match="live longer"):
        await workshop.update(caller, mortal, expires_at_us=None)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"name": "  "}, "name"),
        ({"name": "n" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"permissions": frozenset()}, "permissions"),
        ({"permissions": frozenset({"chat:create", "chat:destroy"})}, "permissions"),
        ({"expires_at_us": 1}, "expires_at"),
        ({"expires_at_us": in_days(40_000)}, "expires_at"),
        ({"terms": KeyTerms(allowed_ips=("192.0.2.300",))}, "allowed_ips"),
        ({"terms": KeyTerms(allowed_ips=("192.0.2.1/8",))}, "allowed_ips"),
        ({"terms": KeyTerms(allowed_ips=("fe80::1%eth0",))}, "allowed_ips"),
        ({"terms": KeyTerms(allowed_ips=("192.0.2.1",) * 101)}, "allowed_ips"),
        ({"terms": KeyTerms(allowed_models=(" ",))}, "allowed_models"),
        ({"terms": KeyTerms(allowed_models=("m" * 257,))}, "allowed_models"),
        ({"terms": KeyTerms(allowed_models=("m",) * 101)}, "allowed_models"),
        ({"terms": KeyTerms(rate_limit=RateLimit(0))}, "rate_limit"),
        ({"terms": KeyTerms(rate_limit=RateLimit(tokens_per_minute=10**12))}, "rate_limit"),
        ({"terms": KeyTerms(labels={"a b": "c"})}, "labels"),
        ({"terms": KeyTerms(labels={"a": "c" * 129})}, "labels"),
        ({"terms": KeyTerms(labels={f"l{number}": "x" for number in range(17)})}, "labels"),
    ],
)
async def test_what_makes_no_key_is_refused_by_its_field(
    workshop: Workshop, wanted: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await workshop.service(**wanted)
    assert refusal.value.param == param


async def test_the_greatest_age_caps_a_new_keys_life(workshop: Workshop) -> None:
    await workshop.set_policy(key_age_max_days=30)
    for wanted in (None, in_days(90)):
        record = (await workshop.service(expires_at_us=wanted)).record
        assert record.expires_at_us == record.created_at_us + 30 * DAY_US
    sooner = in_days(10)
    assert (await workshop.service(expires_at_us=sooner)).record.expires_at_us == sooner


async def test_a_required_expiry_is_asked_for_by_the_policys_name(workshop: Workshop) -> None:
    await workshop.set_policy(is_key_expiry_required=True)
    with pytest.raises(InvalidRequest, match="is_key_expiry_required"):
        await workshop.service()
    await workshop.service(expires_at_us=in_days(1))


async def test_making_a_key_is_in_the_audit_log_without_its_secret(workshop: Workshop) -> None:
    made = await workshop.service(workshop.developer, permissions=CHAT)
    (event,) = await workshop.company.events("api_key.create")
    assert (event.actor_id, event.target_id) == (workshop.developer.account_id, made.record.id)
    assert "chat:create" in event.after
    assert made.key[20:] not in event.after + event.before + event.target_name


async def test_a_key_made_again_by_the_same_request_is_the_same_key(workshop: Workshop) -> None:
    import msgspec

    from tollkeeper.control.administration import Repetition

    caller = msgspec.structs.replace(await workshop.company.caller(None), repetition=Repetition("once", b"f"))
    first, second = [await workshop.service(caller, terms=FULL) for _ in range(2)]
    assert first == second
    assert repr(first).find(first.key) == -1, "no log may hold it"


async def _hire_with(workshop: Workshop, name: str, permissions: set[str]) -> Any:
    role = await workshop.company.change(
        None, roles.create_role, name=f"{name} role", description="", permissions=frozenset(permissions)
    )
    return await workshop.company.hire(name, (role.id, workshop.company.id))
