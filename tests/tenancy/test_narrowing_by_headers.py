"""OpenAI-Organization and OpenAI-Project choose among what a credential may use; they never widen it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tenancy.principals import PLACES, permission_names, places, principals

from tollkeeper.control.callers import choose_organization, narrow, narrow_to_project
from tollkeeper.domain.access import decide, held, sees
from tollkeeper.domain.errors import MismatchedOrganization, NotFound
from tollkeeper.domain.permission import MEMBERSHIP, PERMISSIONS
from tollkeeper.domain.tenancy import Place

PROJECTS = [place for place in PLACES if place.kind == "project"]


@given(principals(), st.sampled_from(PROJECTS), st.one_of(permission_names(), st.just(MEMBERSHIP)), places())
def test_a_narrowed_principal_may_nothing_that_it_might_not_before(principal, chosen, permission, place) -> None:
    narrowed = narrow(principal, chosen)
    assert decide(narrowed, permission, place).is_allowed <= decide(principal, permission, place).is_allowed
    assert sees(narrowed, place) <= sees(principal, place)
    assert held(narrowed, place) <= held(principal, place)
    assert (narrowed.may_hand_out, narrowed.is_operator) == (principal.may_hand_out, principal.is_operator)


@given(principals(), st.sampled_from(PROJECTS), permission_names(), places())
def test_a_narrowed_principal_may_nothing_outside_of_the_project(principal, chosen, permission, place) -> None:
    if place.project_id != chosen.project_id:
        assert not decide(narrow(principal, chosen), permission, place).is_allowed


@given(principals(), st.sampled_from(PROJECTS))
def test_within_the_project_everything_stays(principal, chosen) -> None:
    if principal.organization_id == chosen.organization_id:
        assert held(narrow(principal, chosen), chosen) == held(principal, chosen)


@given(principals(), st.sampled_from(["", "org_a", "org_b", "org_A", "*"]))
def test_naming_an_organization_passes_for_a_keys_own_only(principal, named) -> None:
    if named in {"", "org_a"}:
        assert choose_organization(principal, named) is principal
    else:
        with pytest.raises(MismatchedOrganization):
            choose_organization(principal, named)


async def test_a_project_that_is_not_reached_is_as_one_that_is_not_there(company) -> None:
    research, sales = await company.team("research"), await company.team("sales")
    mine, theirs = await company.project("mine", research), await company.project("theirs", sales)
    lead = (await company.caller(await company.hire("lead", ("team_admin", research.id)))).principal
    narrowed = await narrow_to_project(company.store, lead, mine.id)
    assert held(narrowed, Place(company.id, research.id, mine.id)) == PERMISSIONS
    assert held(narrowed, Place(company.id, research.id)) == frozenset()
    messages = []
    for project_id in (theirs.id, "proj_nothing"):
        with pytest.raises(NotFound) as refused:
            await narrow_to_project(company.store, lead, project_id)
        messages.append(refused.value.message.replace(project_id, "X"))
    assert messages[0] == messages[1]
