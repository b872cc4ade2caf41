"""Makes places, grants and principals of two small organizations for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from tollkeeper.domain.access import Grant, Principal, PrincipalKind
from tollkeeper.domain.permission import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, PERMISSIONS, with_implied
from tollkeeper.domain.tenancy import Place

ORGANIZATIONS = ("org_a", "org_b")
_TEAMS = ("team_1", "team_2")
_PROJECTS = (("", "proj_loose"), ("team_1", "proj_1"), ("team_1", "proj_2"), ("team_2", "proj_3"))
PLACES = tuple(
    place
    for organization_id in ORGANIZATIONS
    for place in (
        Place(organization_id),
        *(Place(organization_id, team_id) for team_id in _TEAMS),
        *(Place(organization_id, team_id, project_id) for team_id, project_id in _PROJECTS),
    )
)


def places() -> st.SearchStrategy[Place]:
    return st.sampled_from(PLACES)


def permission_names() -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(PERMISSIONS))


def permission_sets() -> st.SearchStrategy[frozenset[str]]:
    few = st.frozensets(permission_names(), max_size=6)
    return st.one_of(few, st.sampled_from([ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, PERMISSIONS])).map(with_implied)


def grants() -> st.SearchStrategy[Grant]:
    return st.builds(
        lambda place, permissions, number: Grant(f"role {number}", permissions, place.team_id, place.project_id),
        st.sampled_from([place for place in PLACES if place.organization_id == "org_a"]),
        permission_sets(),
        st.integers(0, 999),
    )


def principals(*, with_operator: bool = False) -> st.SearchStrategy[Principal]:
    kinds = [PrincipalKind.ACCOUNT, PrincipalKind.API_KEY, *([PrincipalKind.OPERATOR] if with_operator else [])]
    return st.builds(
        lambda kind, grants, is_service, hands_out: Principal(
            kind,
            "principal_1",
            "somebody",
            "org_a",
            tuple(grants),
            member_id="mem_1",
            may_hand_out=INFERENCE_PERMISSIONS if hands_out else frozenset(),
            is_service=is_service,
        ),
        st.sampled_from(kinds),
        st.lists(grants(), max_size=4),
        st.booleans(),
        st.booleans(),
    )
