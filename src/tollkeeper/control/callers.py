"""What a request's headers choose among what its credential may use; they never widen it."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.access import Grant, Principal, sees
from tollkeeper.domain.errors import MismatchedOrganization, NotFound
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import places
from tollkeeper.store.engine import Store


def choose_organization(principal: Principal, named: str) -> Principal:
    """Pass when a key's organization is the one named, or none is.

    Raises:
        MismatchedOrganization: another one is named.
    """
    if named and named != principal.organization_id:
        raise MismatchedOrganization("The header OpenAI-Organization names another organization than this API key's.")
    return principal


async def narrow_to_project(store: Store, principal: Principal, project_id: str) -> Principal:
    """Return the principal as it acts within one project only.

    Raises:
        NotFound: there is no such project that it may know of.
    """
    found = await store.read(
        lambda connection: places.place_of_project(connection, principal.organization_id, project_id)
    )
    if found is None or not sees(principal, found):
        raise NotFound(f"There is no project '{project_id}'.")
    return narrow(principal, found)


def narrow(principal: Principal, place: Place) -> Principal:
    """Return the principal with those grants only that cover a project, and only within it."""
    grants = tuple(
        Grant(grant.source, grant.permissions, place.team_id, place.project_id)
        for grant in principal.grants
        if grant.covers(place)
    )
    return msgspec.structs.replace(principal, grants=grants)
