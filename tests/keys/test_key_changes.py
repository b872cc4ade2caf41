"""Changing, stopping and deleting keys: who may, what it takes to give more, and that it is written down."""

from __future__ import annotations

import json

import pytest
from tests.keys.workshop import CHAT, Workshop, in_days

from tollkeeper.control import api_keys
from tollkeeper.domain.api_key import KeyStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms, RateLimit


async def test_every_part_of_a_key_can_be_changed(workshop: Workshop) -> None:
    made = await workshop.service(permissions=CHAT)
    expires_at_us = in_days(5)
    changed = await workshop.update(
        workshop.lead,
        made,
        name="renamed",
        add_permissions=frozenset({"embeddings:create"}),
        remove_permissions=frozenset({"chat:create"}),
        expires_at_us=expires_at_us,
        allowed_ips=("10.0.0.0/8", "10.0.0.0/8", "::ffff:192.0.2.1"),
        allowed_models=("gpt-*",),
        rate_limit=RateLimit(requests_per_minute=5),
        labels={"feature": "search"},
    )
    assert changed == await workshop.found(made) == await workshop.stored(made)
    assert (changed.name, changed.expires_at_us) == ("renamed", expires_at_us)
    assert changed.permissions == {"models:list", "embeddings:create"}
    assert changed.terms == KeyTerms(
        allowed_ips=("10.0.0.0/8", "192.0.2.1"),
        allowed_models=("gpt-*",),
        rate_limit=RateLimit(requests_per_minute=5),
        labels={"feature": "search"},
    )
    plain = await workshop.update(
        None, made, allowed_ips=(), allowed_models=(), rate_limit=RateLimit(), labels={}, expires_at_us=None
    )
    assert (plain.terms, plain.expires_at_us) == (None, None)


async def test_a_change_is_in_the_audit_log_by_what_differs(workshop: Workshop) -> None:
    made = await workshop.service(permissions=CHAT)
    await workshop.update(workshop.lead, made, name="renamed", allowed_models=("gpt-*",))
    await workshop.update(workshop.lead, made, name="renamed", allowed_models=("gpt-*",))
    (event,) = await workshop.company.events("api_key.update")
    assert json.loads(event.before) == {"name": "a service", "allowed_models": []}
    assert json.loads(event.after) == {"name": "renamed", "allowed_models": ["gpt-*"]}
    assert event.actor_id == workshop.lead.account_id


async def test_stopping_and_letting_work_again(workshop: Workshop) -> None:
    made = await workshop.service()
    assert (await workshop.update(workshop.lead, made, is_disabled=True)).status is KeyStatus.DISABLED
    assert (await workshop.found(made)).status is KeyStatus.DISABLED
    assert (await workshop.update(workshop.lead, made, is_disabled=False)).status is KeyStatus.ACTIVE


async def test_a_deleted_key_is_gone_from_every_list_and_stays_gone(workshop: Workshop) -> None:
    made = await workshop.service(name="gone")
    await workshop.delete(workshop.lead, made)
    assert (await workshop.found(made)).status is KeyStatus.DELETED
    assert await workshop.company.look(None, api_keys.list_keys) == []
    for again in (
        workshop.delete(None, made),
        workshop.update(None, made, is_disabled=False),
        workshop.rotate(None, made),
        workshop.company.look(None, api_keys.get_key, made.record.id),
    ):
        with pytest.raises(NotFound, match=f"There is no API key '{made.record.id}'"):
            await again
    (event,) = await workshop.company.events("api_key.delete")
    assert event.target_name == "gone"


async def test_a_developer_changes_only_keys_that_are_theirs(workshop: Workshop) -> None:
    service, mine, admins = (
        await workshop.service(permissions=CHAT),
        await workshop.own(workshop.developer),
        await workshop.own(workshop.admin),
    )
    for others in (service, admins):
        with pytest.raises(PermissionDenied, match="'api_key:create'"):
            await workshop.update(workshop.developer, others, name="mine now")
        with pytest.raises(PermissionDenied):
            await workshop.rotate(workshop.developer, others)
        with pytest.raises(PermissionDenied, match="'api_key:delete'"):
            await workshop.delete(workshop.developer, others)
    assert (await workshop.update(workshop.developer, mine, name="still mine")).name == "still mine"


async def test_keys_elsewhere_are_as_if_they_were_not_there(workshop: Workshop) -> None:
    elsewhere = await workshop.service(project_id=workshop.ops.id)
    administration = await workshop.admin_key()
    for hidden in (elsewhere, administration):
        for who in (workshop.developer, workshop.lead, workshop.viewer):
            for attempt in (
                workshop.update(who, hidden, name="x"),
                workshop.rotate(who, hidden),
                workshop.delete(who, hidden),
                workshop.company.look(who, api_keys.get_key, hidden.record.id),
            ):
                with pytest.raises(NotFound, match=f"There is no API key '{hidden.record.id}'"):
                    await attempt


async def test_a_key_with_further_projects_is_changed_by_who_may_in_all_of_them(workshop: Workshop) -> None:
    both = await workshop.company.hire("both", ("developer", workshop.search.id), ("developer", workshop.ops.id))
    mine = await workshop.own(both, project_ids=(workshop.search.id, workshop.ops.id))
    with pytest.raises(NotFound):
        await workshop.update(workshop.lead, mine, name="x")
    assert (await workshop.update(workshop.admin, mine, name="x")).name == "x"
    assert (await workshop.update(both, mine, name="y")).name == "y"


async def test_nobody_adds_to_a_key_what_they_do_not_have(workshop: Workshop) -> None:
    mine = await workshop.own(workshop.developer, permissions=CHAT)
    await workshop.update(workshop.developer, mine, add_permissions=frozenset({"embeddings:create"}))
    with pytest.raises(PermissionDenied, match="'project:manage'"):
        await workshop.update(workshop.developer, mine, add_permissions=frozenset({"project:manage"}))
    administration = await workshop.admin_key(permissions=frozenset({"billing:read"}))
    with pytest.raises(InvalidRequest, match="cannot call models"):
        await workshop.update(None, administration, add_permissions=frozenset({"chat:create"}))


async def test_enabling_a_key_is_giving_its_permissions_away(workshop: Workshop) -> None:
    powerful = await workshop.service(permissions=frozenset({"chat:create", "quota:manage"}))
    await workshop.update(None, powerful, is_disabled=True)
    weak = await workshop.own(workshop.lead, permissions=CHAT | {"api_key:create"})
    with pytest.raises(PermissionDenied, match="'quota:manage'"):
        await workshop.update(await workshop.as_key(weak), powerful, is_disabled=False)


async def test_prolonging_a_key_is_giving_its_permissions_away(workshop: Workshop) -> None:
    ends = in_days(3)
    powerful = await workshop.service(permissions=frozenset({"chat:create", "quota:manage"}), expires_at_us=ends)
    weak = await workshop.as_key(await workshop.own(workshop.lead, permissions=CHAT | {"api_key:create"}))
    for later in (None, in_days(9)):
        with pytest.raises(PermissionDenied, match="'quota:manage'"):
            await workshop.update(weak, powerful, expires_at_us=later)
    sooner = in_days(1)
    assert (await workshop.update(weak, powerful, expires_at_us=sooner)).expires_at_us == sooner


async def test_who_owns_a_key_cannot_undo_that_an_admin_stopped_it(workshop: Workshop) -> None:
    mine = await workshop.own(workshop.developer)
    await workshop.update(workshop.lead, mine, is_disabled=True)
    with pytest.raises(PermissionDenied, match="'api_key:create'"):
        await workshop.update(workshop.developer, mine, is_disabled=False)


async def test_a_key_keeps_at_least_one_permission(workshop: Workshop) -> None:
    made = await workshop.service(permissions=CHAT)
    with pytest.raises(InvalidRequest, match="at least one"):
        await workshop.update(None, made, remove_permissions=CHAT)
    with pytest.raises(InvalidRequest, match="added and removed"):
        await workshop.update(None, made, add_permissions=CHAT, remove_permissions=CHAT)


async def test_a_replaced_key_keeps_its_end(workshop: Workshop) -> None:
    made = await workshop.service()
    await workshop.rotate(None, made, grace_seconds=60)
    with pytest.raises(Conflict, match="was replaced"):
        await workshop.update(None, made, expires_at_us=in_days(1))


async def test_a_list_shows_what_the_caller_may_read(workshop: Workshop) -> None:
    in_search, in_chat, in_ops = [
        await workshop.service(project_id=project.id) for project in (workshop.search, workshop.chat, workshop.ops)
    ]
    administration = await workshop.admin_key()
    seen = {
        workshop.admin.email: {in_search, in_chat, in_ops, administration},
        workshop.lead.email: {in_search, in_chat},
        workshop.developer.email: {in_search},
    }
    for person in (workshop.admin, workshop.lead, workshop.developer):
        found = await workshop.company.look(person, api_keys.list_keys)
        assert {key.id for key in found} == {made.record.id for made in seen[person.email]}
    with pytest.raises(PermissionDenied):
        await workshop.company.look(workshop.viewer, api_keys.list_keys)
    with pytest.raises(NotFound):
        await workshop.company.look(workshop.developer, api_keys.list_keys, project_id=workshop.ops.id)


async def test_a_list_can_be_of_a_project_a_member_or_a_kind(workshop: Workshop) -> None:
    service, mine, administration = (
        await workshop.service(),
        await workshop.own(workshop.developer, project_ids=(workshop.search.id,)),
        await workshop.admin_key(),
    )
    elsewhere = await workshop.service(project_id=workshop.ops.id)
    for wanted, expected in (
        ({"project_id": workshop.search.id}, [service, mine]),
        ({"member_id": workshop.developer.member_id}, [mine]),
        ({"kind": mine.record.kind}, [mine]),
        ({"kind": administration.record.kind}, [administration]),
        ({"kind": service.record.kind}, [service, elsewhere]),
    ):
        found = await workshop.company.look(None, api_keys.list_keys, **wanted)
        assert [key.id for key in found] == [made.record.id for made in expected]


async def test_a_key_is_chosen_by_id_public_part_or_a_name_of_its_own(workshop: Workshop) -> None:
    one, first, second = [await workshop.service(name=name) for name in ("one", "two", "two")]
    public = one.key[: len("sk-tk-") + 12]
    for named in (one.record.id, public, f"{public}-…", public.removeprefix("sk-tk-"), "one"):
        assert (await workshop.company.look(None, api_keys.choose_key, named)).id == one.record.id
    with pytest.raises(InvalidRequest, match=f"{first.record.id}, {second.record.id}"):
        await workshop.company.look(None, api_keys.choose_key, "two")
    with pytest.raises(NotFound):
        await workshop.company.look(None, api_keys.choose_key, "three")
