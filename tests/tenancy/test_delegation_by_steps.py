"""The real steps in long random sequences: nobody whom a caller adds or changes comes to more than the caller has."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from admin_factories import ONLY_SQLITE
from tests.tenancy.company import Company, Person

from tollkeeper.control import api_keys, members, roles
from tollkeeper.domain.access import held, principal_of_key
from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.domain.permission import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, PERMISSIONS
from tollkeeper.domain.tenancy import Place

STEPS = 80


@ONLY_SQLITE
@pytest.mark.parametrize("seed", range(6))
async def test_nobody_comes_to_more_than_the_ring_had(company: Company, seed: int) -> None:
    dice = random.Random(seed)
    team, other = await company.team("research"), await company.team("sales")
    projects = [
        await company.project("search", team),
        await company.project("chat", team),
        await company.project("crm", other),
    ]
    places = [
        Place(company.id),
        Place(company.id, team.id),
        Place(company.id, other.id),
        *(Place(company.id, each.team_id, each.id) for each in projects),
    ]
    some = frozenset(dice.sample(sorted(PERMISSIONS), 9)) | {"role:manage", "member:manage", "api_key:create"}
    custom = await company.change(None, roles.create_role, name="custom", permissions=some)
    boss = await company.hire("boss", ("org_admin", company.id))
    for name in sorted(PERMISSIONS - some)[:: len(PERMISSIONS) // 6]:  # roles that the ring would like to have
        await company.change(None, roles.create_role, name=f"with {name}", permissions=frozenset({name}))
    ring = [
        await company.hire("ann", (custom.id, company.id)),
        await company.hire("ben", ("team_admin", team.id)),
        await company.hire("cho", ("developer", projects[2].id)),
    ]
    first = [(await company.caller(each)).principal for each in ring]
    could = {place: frozenset().union(*(held(each, place) for each in first)) for place in places}
    done = await _walk(company, ring, places, dice)
    assert done > 0, "a walk of refusals alone shows nothing"
    for each in ring:
        principal = (await company.caller(each)).principal
        for place in places:
            assert held(principal, place) <= could[place], (each.email, place)
    given = could[Place(company.id)]
    hands_out = INFERENCE_PERMISSIONS if "api_key:create" in given else frozenset()
    for key in await company.look(None, api_keys.list_keys):
        for place in places:
            assert held(principal_of_key(key), place) <= could[place] | hands_out
    assert held((await company.caller(boss)).principal, Place(company.id)) == PERMISSIONS


async def _walk(company: Company, ring: list[Person], places: list[Place], dice: random.Random) -> int:
    """Try random steps as random members of the ring; return how many were let through."""
    done = 0
    known_roles = [each.id for each in await company.look(None, roles.list_roles)]
    everybody = [state.member.id for state in await company.look(None, members.list_members)]
    for number in range(STEPS):
        who, place = dice.choice(ring), dice.choice(places)
        wanted = frozenset(dice.sample(sorted(PERMISSIONS), dice.randrange(1, 5)))
        with suppress(TollkeeperError):
            match dice.randrange(6):
                case 0:
                    made = await company.change(who, roles.create_role, name=f"role {number}", permissions=wanted)
                    known_roles.append(made.id)
                case 1:
                    await company.change(who, roles.update_role, dice.choice(known_roles), permissions=wanted)
                case 2:
                    to, role = dice.choice(everybody), dice.choice(known_roles)
                    await company.change(who, members.give_role, to, role=role, scope_id=place.id)
                case 3:
                    to, role = dice.choice(everybody), dice.choice(known_roles)
                    await company.change(who, members.take_role, to, role=role, scope_id=place.id)
                case 4:
                    wish = {"name": f"key {number}", "permissions": wanted}
                    if place.project_id:
                        await company.change(who, api_keys.create_service_key, project_id=place.project_id, **wish)
                    else:
                        admin = {**wish, "permissions": wanted & ADMIN_PERMISSIONS}
                        await company.change(who, api_keys.create_admin_key, **admin)
                case _:
                    await company.change(who, members.remove_member, dice.choice(everybody))
            done += 1
    return done
