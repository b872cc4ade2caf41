"""decide(): more grants never take anything away, nothing crosses organizations, a team's lead stays within the team."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.tenancy.principals import ORGANIZATIONS, PLACES, grants, permission_names, places, principals

from tollkeeper.domain.access import Grant, Principal, PrincipalKind, decide, held, sees
from tollkeeper.domain.permission import MEMBERSHIP, PERMISSIONS
from tollkeeper.domain.role import PREDEFINED, TEAM_ADMIN
from tollkeeper.domain.tenancy import Place


@given(principals(), grants(), permission_names(), places())
def test_a_further_grant_takes_nothing_away(principal, further, permission, place) -> None:
    richer = msgspec.structs.replace(principal, grants=(*principal.grants, further))
    before, after = decide(principal, permission, place), decide(richer, permission, place)
    assert after.is_allowed >= before.is_allowed
    assert after.is_visible >= before.is_visible
    assert held(richer, place) >= held(principal, place)


@given(principals(with_operator=True), st.sampled_from([*sorted(PERMISSIONS), MEMBERSHIP]), places())
def test_nothing_is_allowed_or_seen_in_another_organization(principal, permission, place) -> None:
    if principal.organization_id == place.organization_id:
        place = msgspec.structs.replace(place, organization_id=ORGANIZATIONS[1])
    decision = decide(principal, permission, place)
    assert not decision.is_allowed
    assert not decision.is_visible
    assert not sees(principal, place)
    assert held(principal, place) == frozenset()


@given(st.sampled_from([place for place in PLACES if place.kind != "organization"]), permission_names(), places())
def test_a_team_admin_reaches_nothing_above_or_beside(given_at: Place, permission: str, place: Place) -> None:
    grant = Grant("role team_admin", PREDEFINED[TEAM_ADMIN].permissions, given_at.team_id, given_at.project_id)
    principal = msgspec.structs.replace(principals_of(given_at.organization_id), grants=(grant,))
    is_within = place.organization_id == given_at.organization_id and (
        place.project_id == given_at.project_id if given_at.project_id else place.team_id == given_at.team_id
    )
    assert decide(principal, permission, place).is_allowed == is_within


@given(principals(), permission_names(), places())
def test_what_is_allowed_is_held_visible_and_has_its_source_among_the_grants(principal, permission, place) -> None:
    decision = decide(principal, permission, place)
    assert decision.is_allowed == (permission in held(principal, place))
    if decision.is_allowed:
        assert decision.is_visible
        assert any(each.source == decision.source and permission in each.permissions for each in principal.grants)


def principals_of(organization_id: str) -> Principal:
    return Principal(PrincipalKind.ACCOUNT, "acc_1", "jimin@example.com", organization_id, member_id="mem_1")
