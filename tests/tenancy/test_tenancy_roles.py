"""Roles: made of what one has, changed for all who have them, deleted when nobody does."""

from __future__ import annotations

import asyncio

import pytest
from tests.tenancy.company import Company

from tollkeeper.control import members, roles
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.role import PREDEFINED

KEEPER = frozenset({"role:manage", "member:manage", "quota:read"})


async def test_a_role_is_made_and_widened_of_what_one_has(company: Company) -> None:
    keeper_role = await company.change(None, roles.create_role, name="keeper", permissions=KEEPER)
    keeper = await company.hire("keeper", ("keeper", company.id))
    reader = await company.change(keeper, roles.create_role, name="reader", permissions=frozenset({"quota:read"}))
    for permissions in (frozenset({"audit:read"}), PERMISSIONS, frozenset({"quota:manage"})):
        with pytest.raises(PermissionDenied, match="cannot grant what you do not have"):
            await company.change(keeper, roles.create_role, name="more", permissions=permissions)
        with pytest.raises(PermissionDenied, match="cannot grant what you do not have"):
            await company.change(keeper, roles.update_role, reader.id, permissions=permissions)
        with pytest.raises(PermissionDenied):  # not even for oneself
            await company.change(keeper, roles.update_role, keeper_role.id, permissions=KEEPER | permissions)
    auditor = await company.change(None, roles.create_role, name="auditor", permissions=frozenset({"audit:read"}))
    with pytest.raises(PermissionDenied):  # nor is taken away what one does not have
        await company.change(keeper, roles.update_role, auditor.id, permissions=frozenset())
    lead = await company.hire("lead", ("team_admin", (await company.team("ml")).id))
    with pytest.raises(PermissionDenied, match="role:manage"):
        await company.change(lead, roles.create_role, name="mine", permissions=frozenset())


async def test_a_change_of_a_role_holds_for_all_who_have_it_and_is_told_to_replicas(company: Company) -> None:
    made = await company.change(None, roles.create_role, name="reader", permissions=frozenset({"quota:read"}))
    dev = await company.hire("dev", ("reader", company.id))
    before = await company.changes("organization")
    await company.change(None, roles.update_role, made.id, permissions=frozenset({"audit:read"}), name="auditor")
    (grant,) = (await company.caller(dev)).principal.grants
    assert (grant.source, grant.permissions) == ("role auditor", frozenset({"audit:read"}))
    assert await company.changes("organization") == [*before, company.id]
    (event,) = await company.events("role.update")
    assert "quota:read" in event.before
    assert "audit:read" in event.after


async def test_a_role_in_use_is_not_deleted_and_the_refusal_says_by_whom(company: Company) -> None:
    made = await company.change(None, roles.create_role, name="reader", permissions=frozenset())
    people = [await company.hire(f"p{number}", ("reader", company.id)) for number in range(5)]
    with pytest.raises(Conflict, match=r"5 member\(s\) have it \(p0@example.com, .*, …\)"):
        await company.change(None, roles.delete_role, made.id)
    for each in people:
        await company.change(None, members.take_role, each.member_id, role="reader")
    await company.change(None, roles.delete_role, made.id)
    with pytest.raises(NotFound):
        await company.look(None, roles.get_role, made.id)
    with pytest.raises(NotFound):
        await company.change(None, roles.update_role, made.id, name="x")


async def test_a_role_given_while_it_is_deleted_is_either_there_or_not_given(company: Company) -> None:
    dev = await company.hire("dev")
    for number in range(8):
        made = await company.change(None, roles.create_role, name=f"role {number}", permissions=frozenset())
        results = await asyncio.gather(
            company.change(None, members.give_role, dev.member_id, role=made.id),
            company.change(None, roles.delete_role, made.id),
            return_exceptions=True,
        )
        assert sum(isinstance(each, Conflict | NotFound) for each in results) == 1, results
        assert await company.caller(dev)  # its grants can be read


async def test_predefined_roles_come_first_and_stay_as_they_are(company: Company) -> None:
    made = [
        await company.change(None, roles.create_role, name=f"role {number}", permissions=frozenset())
        for number in range(3)
    ]
    expected = [*PREDEFINED, *(each.id for each in made)]
    found, after = [], None
    while page := await company.look(None, roles.list_roles, after=after, limit=2):
        found += [each.id for each in page]
        after = page[-1].id
    assert found == expected
    for role_id in PREDEFINED:
        with pytest.raises(Conflict, match="predefined"):
            await company.change(None, roles.update_role, role_id, permissions=frozenset())
        with pytest.raises(Conflict, match="predefined"):
            await company.change(None, roles.delete_role, role_id)


@pytest.mark.parametrize("name", ["org_admin", "Viewer", "role_abc", " ", "a\nb", "x" * 101])
async def test_a_role_is_not_named_so_that_it_is_mistaken(company: Company, name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await company.change(None, roles.create_role, name=name, permissions=frozenset())
    assert refused.value.param == "name"


async def test_unknown_permissions_and_taken_names_are_refused(company: Company) -> None:
    with pytest.raises(InvalidRequest, match="'quota:reed'"):
        await company.change(None, roles.create_role, name="x", permissions=frozenset({"quota:reed"}))
    made = [await company.change(None, roles.create_role, name=each, permissions=frozenset()) for each in ("a", "b")]
    with pytest.raises(Conflict, match="'a'"):
        await company.change(None, roles.create_role, name="a", permissions=frozenset())
    with pytest.raises(Conflict, match="'a'"):
        await company.change(None, roles.update_role, made[1].id, name="a")
