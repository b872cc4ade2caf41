"""Members: what they may see of each other, roles given and taken, removal, and the last org_admin."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from tests.fakes.new_keys import create_admin_key
from tests.tenancy.company import PEPPER, Company, Person, found_company

from tollkeeper.control import api_keys, members, roles
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Caller
from tollkeeper.control.organizations import update_organization
from tollkeeper.domain.access import principal_of_key
from tollkeeper.domain.api_key import KeyStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.store import api_keys as key_rows
from tollkeeper.store import members as member_rows
from tollkeeper.store.schema_control import outbox


async def listed(company: Company, who: Person | None, **wanted) -> dict[str, list[tuple[str, str]]]:
    """Return whom somebody sees, with which roles."""
    found = await company.look(who, members.list_members, **wanted)
    return {
        each.member.email.removesuffix("@example.com"): [(role.role_name, role.scope_id) for role in each.roles]
        for each in found
    }


async def test_people_see_those_whom_their_own_roles_reach(company: Company) -> None:
    research, sales = await company.team("research"), await company.team("sales")
    search, crm = await company.project("search", research), await company.project("crm", sales)
    boss = await company.hire("boss", ("org_admin", company.id))
    lead = await company.hire("lead", ("team_admin", research.id))
    dev = await company.hire("dev", ("developer", search.id), ("viewer", crm.id))
    seller = await company.hire("seller", ("team_admin", sales.id))
    await company.hire("idle")
    assert [*await listed(company, boss)] == ["boss", "lead", "dev", "seller", "idle"]
    assert await listed(company, lead) == {
        "boss": [("org_admin", company.id)],
        "lead": [("team_admin", research.id)],
        "dev": [("developer", search.id)],  # what dev has in sales is none of the lead's business
    }
    assert [*await listed(company, seller)] == ["boss", "dev", "seller"]
    assert sorted(await listed(company, dev)) == ["boss", "dev"]
    assert sorted((await listed(company, dev))["dev"]) == sorted([("developer", search.id), ("viewer", crm.id)])
    for who in (lead, dev):
        with pytest.raises(NotFound):
            await company.look(who, members.get_member, seller.member_id)
    assert (await company.look(boss, members.get_member, seller.member_id)).member.email == seller.email


async def test_lists_are_filtered_and_paged(company: Company) -> None:
    research = await company.team("research")
    search = await company.project("search", research)
    people = [await company.hire(f"p{number}", ("viewer", company.id)) for number in range(5)]
    await company.hire("lead", ("team_admin", research.id))
    await company.hire("dev", ("developer", search.id))
    assert [*await listed(company, None, team_id=research.id)] == ["lead", "dev"]
    assert [*await listed(company, None, project_id=search.id)] == ["dev"]
    assert [*await listed(company, None, role="viewer")] == [f"p{number}" for number in range(5)]
    assert [*await listed(company, None, role="viewer", team_id=research.id)] == []
    page = await company.look(None, members.list_members, after=people[1].member_id, limit=2)
    assert [each.member.id for each in page] == [people[2].member_id, people[3].member_id]
    with pytest.raises(NotFound):
        await company.look(None, members.list_members, role="nobody")


async def test_to_give_a_role_one_manages_members_there_and_has_all_of_it(company: Company) -> None:
    research, sales = await company.team("research"), await company.team("sales")
    search = await company.project("search", research)
    lead = await company.hire("lead", ("team_admin", research.id))
    dev = await company.hire("dev", ("developer", search.id))
    given = await company.change(lead, members.give_role, dev.member_id, role="team_admin", scope_id=search.id)
    assert [each.role_id for each in given.roles] == ["developer", "team_admin"]
    with pytest.raises(NotFound):  # a team that the lead does not see
        await company.change(lead, members.give_role, dev.member_id, role="viewer", scope_id=sales.id)
    with pytest.raises(PermissionDenied):
        await company.change(lead, members.give_role, dev.member_id, role="viewer")
    clerk_role = await company.change(
        None, roles.create_role, name="clerk", permissions=frozenset({"member:manage", "analytics:own"})
    )
    clerk = await company.hire("clerk", (clerk_role.id, company.id))
    await company.change(clerk, members.give_role, dev.member_id, role="clerk")
    for role, place in (("viewer", company.id), ("org_admin", company.id), ("team_admin", research.id)):
        with pytest.raises(PermissionDenied, match="cannot grant what you do not have"):
            await company.change(clerk, members.give_role, dev.member_id, role=role, scope_id=place)
        with pytest.raises(PermissionDenied, match="cannot grant what you do not have"):
            await company.change(clerk, members.take_role, lead.member_id, role=role, scope_id=place)
    with pytest.raises(PermissionDenied, match="cannot grant"):  # nor remove somebody who has more
        await company.change(clerk, members.remove_member, lead.member_id)


async def test_roles_are_for_the_places_that_they_are_made_for(company: Company) -> None:
    research = await company.team("research")
    dev = await company.hire("dev")
    with pytest.raises(InvalidRequest, match="org_admin"):
        await company.change(None, members.give_role, dev.member_id, role="team_admin")
    with pytest.raises(InvalidRequest, match="team_admin"):
        await company.change(None, members.give_role, dev.member_id, role="org_admin", scope_id=research.id)
    with pytest.raises(NotFound):
        await company.change(None, members.give_role, dev.member_id, role="king")
    with pytest.raises(NotFound):
        await company.change(None, members.give_role, dev.member_id, role="viewer", scope_id="team_nothing")


async def test_giving_a_role_again_changes_nothing_and_is_not_noted(company: Company) -> None:
    dev = await company.hire("dev", ("viewer", company.id))
    before = (len(await company.events()), await company.changes("member"))
    await company.change(None, members.give_role, dev.member_id, role="viewer")
    assert (len(await company.events()), await company.changes("member")) == before
    await company.change(None, members.take_role, dev.member_id, role="viewer")
    assert (await company.changes("member"))[-1] == dev.member_id
    with pytest.raises(NotFound, match="does not have"):
        await company.change(None, members.take_role, dev.member_id, role="viewer")


async def test_removing_a_member_ends_roles_and_stops_the_persons_keys(company: Company) -> None:
    boss = await company.hire("boss", ("org_admin", company.id))
    dev = await company.hire("dev", ("developer", company.default.id))
    key = await company.change(dev, api_keys.create_member_key, project_ids=(company.default.id,), name="laptop")
    removed = await company.change(boss, members.remove_member, dev.member_id)
    assert (removed.member.status, removed.roles) == ("removed", ())
    kept = await company.store.read(lambda c: key_rows.get_api_key(c, company.id, key.record.id))
    assert kept.status is KeyStatus.DISABLED
    assert (await company.caller(dev)).principal.grants == ()
    assert "dev" not in await listed(company, boss)
    assert (await company.changes("member"))[-1] == dev.member_id
    assert key.record.id in await company.changes("api_key")
    (event,) = await company.events("member.remove")
    assert (event.target_id, event.actor_id) == (dev.member_id, boss.account_id)
    with pytest.raises(NotFound):
        await company.change(boss, members.remove_member, dev.member_id)
    with pytest.raises(NotFound):
        await company.change(boss, members.give_role, dev.member_id, role="viewer")


@pytest.mark.parametrize("sends_email", [True, False])
async def test_who_was_removed_and_who_manages_members_are_told(company: Company, *, sends_email: bool) -> None:
    rules = AccountRules(sends_email=sends_email)
    boss = await company.hire("boss", ("org_admin", company.id))
    dev = await company.hire("dev", ("developer", company.default.id))
    idle = await company.hire("idle", ("developer", company.default.id))
    await company.change(dev, api_keys.create_member_key, project_ids=(company.default.id,), name="laptop")
    for each in (dev, idle):
        await company.change(boss, members.remove_member, each.member_id, rules=rules)
    rows = await company.store.read(_mails)
    told = {(row.kind, row.recipient) for row in rows}
    expected = {
        ("member_removed", dev.email),
        ("member_removed", idle.email),
        ("member_keys_disabled", boss.email),
    }
    assert told == (expected if sends_email else set())


async def _mails(connection: Any) -> list[Any]:
    return list(await connection.execute(select(outbox.c.kind, outbox.c.recipient)))


async def test_who_was_removed_comes_back_without_roles_and_without_keys(company: Company) -> None:
    dev = await company.hire("dev", ("developer", company.default.id))
    key = await company.change(dev, api_keys.create_member_key, project_ids=(company.default.id,), name="laptop")
    await company.change(None, members.remove_member, dev.member_id)
    again = await company.store.write(lambda c: member_rows.add_member(c, company.id, dev.account_id))
    assert (again.id, again.status, again.assignments) == (dev.member_id, "active", ())
    kept = await company.store.read(lambda c: key_rows.get_api_key(c, company.id, key.record.id))
    assert kept.status is KeyStatus.DISABLED
    with pytest.raises(Conflict):
        await company.store.write(lambda c: member_rows.add_member(c, company.id, dev.account_id))


async def test_the_last_org_admin_stays(company: Company) -> None:
    boss = await company.hire("boss", ("org_admin", company.id))
    for step, more in ((members.remove_member, {}), (members.take_role, {"role": "org_admin"})):
        for who in (boss, None):  # nor can the operator
            with pytest.raises(Conflict, match="last org_admin"):
                await company.change(who, step, boss.member_id, **more)
    deputy = await company.hire("deputy", ("org_admin", company.id))
    await company.change(deputy, members.take_role, boss.member_id, role="org_admin")
    with pytest.raises(Conflict, match="last org_admin"):
        await company.change(deputy, members.remove_member, deputy.member_id)


@pytest.mark.parametrize("is_demoted", [False, True])
async def test_two_org_admins_who_end_each_other_at_once_leave_one(company: Company, is_demoted: bool) -> None:
    for number in range(5):
        shop = await found_company(company.store, f"Shop {number}")
        pair = [await shop.hire(f"{each}{number}", ("org_admin", shop.id)) for each in ("ann", "ben")]
        callers = [await shop.caller(each) for each in pair]  # both are admins at the moment when they ask
        end = (members.take_role, {"role": "org_admin"}) if is_demoted else (members.remove_member, {})
        results = await asyncio.gather(
            shop.change(callers[0], members.remove_member, pair[1].member_id),
            shop.change(callers[1], end[0], pair[0].member_id, **end[1]),
            return_exceptions=True,
        )
        assert sum(isinstance(each, Conflict) for each in results) == 1, results
        assert len(await shop.look(None, members.list_members, role="org_admin")) == 1


async def test_a_role_given_while_its_member_is_removed_is_not_left_behind(company: Company) -> None:
    for number in range(5):
        dev = await company.hire(f"dev{number}")
        await asyncio.gather(
            company.change(None, members.give_role, dev.member_id, role="viewer"),
            company.change(None, members.remove_member, dev.member_id),
            return_exceptions=True,
        )
        again = await company.store.write(lambda c, dev=dev: member_rows.add_member(c, company.id, dev.account_id))
        assert again.assignments == ()


async def test_a_services_key_sees_no_members_and_an_admin_key_does(company: Company) -> None:
    await company.hire("boss", ("org_admin", company.id))
    admin = await create_admin_key(company.store, PEPPER, company.id, name="admin")
    service = await company.change(None, api_keys.create_service_key, project_id=company.default.id, name="prod")
    as_admin, as_service = (Caller(principal_of_key(each.record)) for each in (admin, service))
    assert [each.member.email for each in await company.look(as_admin, members.list_members)] == ["boss@example.com"]
    with pytest.raises(PermissionDenied):
        await company.look(as_service, members.list_members)


async def test_a_member_of_another_organization_is_as_one_that_is_not_there(company: Company) -> None:
    other = await found_company(company.store, "Globex")
    stranger = await other.hire("stranger", ("org_admin", other.id))
    steps = ((members.get_member, {}), (members.remove_member, {}), (members.give_role, {"role": "viewer"}))
    for step, more in steps:
        with pytest.raises(NotFound):
            await company.change(None, step, stranger.member_id, **more)
    with pytest.raises(NotFound):
        await company.change(None, update_organization, other.id, name="taken over")
