"""Who a principal is: what a request's headers choose among what its credential may use, and whom an id stands for."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import OPERATOR_ID, Action, operator
from tollkeeper.domain.access import Grant, Principal, PrincipalKind, principal_of_key, sees
from tollkeeper.domain.errors import InvalidApiKey, MismatchedOrganization, NotFound
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import members, places
from tollkeeper.store.engine import Connection, Store
from tollkeeper.store.key_lookup import find_by_id
from tollkeeper.store.members import Member


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


async def find_principal(action: Action, principal_id: str) -> Principal | None:
    """Return who a principal's id of the action's organization stands for, as it holds now; None when it is nobody.

    A person is known by the account or the membership; a key must be usable.
    """
    if principal_id == OPERATOR_ID:
        return operator(action.organization_id, name="").principal
    if principal_id.startswith("key_"):
        key = await find_by_id(action.connection, action.organization_id, principal_id)
        try:
            if key is not None:
                key.check_usable(action.now_us)
        except InvalidApiKey:
            return None
        return principal_of_key(key) if key is not None else None
    find = members.get_member if principal_id.startswith("mem_") else _member_of_account
    member = await find(action.connection, action.organization_id, principal_id)
    if member is None or member.status != members.ACTIVE:
        return None
    grants = await members.read_grants(action.connection, action.organization_id, member.id)
    return Principal(
        PrincipalKind.ACCOUNT, member.account_id, member.email, action.organization_id, grants, member_id=member.id
    )


async def _member_of_account(connection: Connection, organization_id: str, account_id: str) -> Member | None:
    return await members.find_member(connection, organization_id, account_id=account_id)
