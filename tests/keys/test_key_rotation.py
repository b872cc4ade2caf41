"""Rotation: the new key is all that the old one was, the old one ends when it should, and it happens once."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.keys.workshop import CHAT, DAY_US, Workshop, as_operator_for, in_days

from tollkeeper.control.api_keys import Rotated
from tollkeeper.control.key_rotation import GRACE_S_MAX
from tollkeeper.domain.api_key import KeyStatus
from tollkeeper.domain.errors import Conflict, InvalidApiKey, InvalidRequest, PermissionDenied, TollkeeperError
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.kit.clock import now_us
from tollkeeper.store import api_keys as key_rows

TERMS = KeyTerms(
    allowed_ips=("192.0.2.0/24",),
    allowed_models=("gpt-*",),
    rate_limit=RateLimit(tokens_per_minute=7),
    labels={"feature": "search"},
)


async def test_the_new_key_is_all_that_the_old_one_was(workshop: Workshop) -> None:
    old = await workshop.service(permissions=CHAT, terms=TERMS, expires_at_us=in_days(90), name="prod")
    rotated = await workshop.rotate(workshop.lead, old)
    new = await workshop.found(rotated.new)
    assert new == rotated.new.record
    assert new.id != old.record.id
    assert rotated.new.key != old.key
    own = ("id", "created_at_us", "expires_at_us")
    assert _without(new, own) == _without(old.record, own)
    assert (await workshop.stored(old)).replaced_by == new.id


async def test_a_members_key_stays_theirs_with_its_further_projects(workshop: Workshop) -> None:
    both = await workshop.company.hire("both", ("developer", workshop.search.id), ("developer", workshop.ops.id))
    old = await workshop.own(both, project_ids=(workshop.search.id, workshop.ops.id))
    new = await workshop.found((await workshop.rotate(both, old)).new)
    assert (new.member_id, new.project_ids) == (both.member_id, (workshop.search.id, workshop.ops.id))


async def test_its_life_is_as_long_as_the_old_ones_was(workshop: Workshop) -> None:
    old = await workshop.service(expires_at_us=in_days(90))
    life_us = old.record.expires_at_us - old.record.created_at_us
    new = (await workshop.rotate(None, old)).new.record
    assert new.expires_at_us == new.created_at_us + life_us
    endless = await workshop.service()
    assert (await workshop.rotate(None, endless)).new.record.expires_at_us is None


async def test_its_life_keeps_to_the_organizations_policy(workshop: Workshop) -> None:
    old, endless = await workshop.service(expires_at_us=in_days(90)), await workshop.service()
    await workshop.set_policy(key_age_max_days=30)
    for each in (old, endless):
        new = (await workshop.rotate(None, each)).new.record
        assert new.expires_at_us == new.created_at_us + 30 * DAY_US
    await workshop.set_policy(is_key_expiry_required=True)
    with pytest.raises(InvalidRequest, match="is_key_expiry_required"):
        await workshop.rotate(None, await _without_expiry(workshop))


async def test_without_grace_the_old_key_ends_at_once(workshop: Workshop) -> None:
    old = await workshop.service()
    rotated = await workshop.rotate(None, old)
    assert rotated.previous_valid_until_us <= now_us()
    with pytest.raises(InvalidApiKey, match="expired"):
        (await workshop.found(old)).check_usable(now_us())
    (await workshop.found(rotated.new)).check_usable(now_us())


async def test_litellm_27193_the_old_key_works_until_the_end_of_its_grace(workshop: Workshop) -> None:
    """There the row of the grace period was written, and the old key was refused all the same."""
    old = await workshop.service()
    rotated = await workshop.rotate(None, old, grace_seconds=3600)
    found = await workshop.found(old)
    found.check_usable(now_us())
    found.check_usable(rotated.previous_valid_until_us - 1)
    with pytest.raises(InvalidApiKey, match="expired"):
        found.check_usable(rotated.previous_valid_until_us)
    (await workshop.found(rotated.new)).check_usable(now_us())


async def test_grace_never_lets_the_old_key_live_longer_than_it_would_have(workshop: Workshop) -> None:
    ends = now_us() + 60_000_000
    old = await workshop.service(expires_at_us=ends)
    rotated = await workshop.rotate(None, old, grace_seconds=3600)
    assert rotated.previous_valid_until_us == ends == (await workshop.stored(old)).expires_at_us


@pytest.mark.parametrize("grace_seconds", [-1, GRACE_S_MAX + 1])
async def test_grace_has_bounds(workshop: Workshop, grace_seconds: int) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await workshop.rotate(None, await workshop.service(), grace_seconds=grace_seconds)
    assert refusal.value.param == "grace_seconds"


async def test_a_key_is_rotated_once_and_the_second_try_is_told_by_which(workshop: Workshop) -> None:
    old = await workshop.service()
    new = (await workshop.rotate(None, old, grace_seconds=3600)).new
    with pytest.raises(Conflict, match=new.record.id):
        await workshop.rotate(None, old)
    (await workshop.found(old)).check_usable(now_us())


async def test_a_disabled_key_is_enabled_before_it_is_rotated(workshop: Workshop) -> None:
    old = await workshop.service()
    await workshop.update(None, old, is_disabled=True)
    with pytest.raises(Conflict, match="disabled"):
        await workshop.rotate(None, old)


async def test_handing_out_a_secret_is_giving_its_permissions_away(workshop: Workshop) -> None:
    powerful = await workshop.service(permissions=frozenset({"chat:create", "quota:manage"}))
    weak = await workshop.as_key(await workshop.own(workshop.lead, permissions=CHAT | {"api_key:create"}))
    with pytest.raises(PermissionDenied, match="'quota:manage'"):
        await workshop.rotate(weak, powerful)


async def test_nobody_but_its_member_gets_a_members_new_key(workshop: Workshop) -> None:
    mine = await workshop.own(workshop.developer)
    with pytest.raises(PermissionDenied, match="that person only"):
        await workshop.rotate(workshop.admin, mine)
    assert (await workshop.rotate(workshop.developer, mine)).new.record.member_id == workshop.developer.member_id
    caller = as_operator_for(workshop.company.operator, workshop.viewer.member_id)
    theirs = await workshop.own(caller)
    assert theirs.record.member_id == workshop.viewer.member_id
    assert (await workshop.rotate(None, theirs)).new.record.member_id == workshop.viewer.member_id


async def test_a_rotation_is_in_the_audit_log_without_the_secret(workshop: Workshop) -> None:
    old = await workshop.service()
    new = (await workshop.rotate(workshop.lead, old, grace_seconds=5)).new
    (event,) = await workshop.company.events("api_key.rotate")
    assert (event.target_id, event.actor_id) == (old.record.id, workshop.lead.account_id)
    assert new.record.id in event.after
    assert new.key[20:] not in event.after


async def test_of_rotations_at_once_one_happens(workshop: Workshop) -> None:
    old = await workshop.service()
    outcomes = await asyncio.gather(
        *(workshop.rotate(None, old, grace_seconds=60) for _ in range(6)), return_exceptions=True
    )
    (done,) = [each for each in outcomes if isinstance(each, Rotated)]
    assert all(isinstance(each, Conflict) for each in outcomes if each is not done)
    listed = await workshop.store.read(lambda c: key_rows.list_api_keys(c, workshop.company.id))
    assert {key.id for key in listed} == {old.record.id, done.new.record.id}


async def test_a_permission_taken_away_is_not_in_the_key_of_a_rotation_at_the_same_time(workshop: Workshop) -> None:
    """Whatever came first: the new key has not what was taken, or the taking found a key already replaced."""
    for _ in range(8):
        old = await workshop.service(permissions=CHAT)
        taken, rotated = await asyncio.gather(
            workshop.update(None, old, remove_permissions=frozenset({"chat:create"})), workshop.rotate(None, old)
        )
        was_first = not taken.replaced_by
        assert ("chat:create" in rotated.new.record.permissions) == (not was_first)


async def test_deleting_and_rotating_at_once_leave_one_of_two_ends(workshop: Workshop) -> None:
    for _ in range(8):
        old = await workshop.service(permissions=CHAT)
        _, rotated = await asyncio.gather(
            workshop.delete(None, old), workshop.rotate(None, old), return_exceptions=True
        )
        now = await workshop.stored(old)
        assert now.status is KeyStatus.DELETED
        assert bool(now.replaced_by) == isinstance(rotated, Rotated)
        assert isinstance(rotated, Rotated | TollkeeperError)


async def _without_expiry(workshop: Workshop) -> object:
    await workshop.set_policy()
    made = await workshop.service()
    await workshop.set_policy(is_key_expiry_required=True)
    return made


def _without(record: object, names: tuple[str, ...]) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(record).items() if name not in names}
