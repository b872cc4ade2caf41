"""How an organization is at one moment, as far as its file can say it: found by a few large queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.domain.account import AccountStatus
from tollkeeper.domain.api_key import ApiKey, KeyKind, KeyStatus
from tollkeeper.domain.budget import Budget, BudgetKey
from tollkeeper.domain.role import PREDEFINED, Role
from tollkeeper.domain.tenancy import Organization, Project, Team
from tollkeeper.store import (
    accounts,
    api_keys,
    budgets,
    invites,
    member_lists,
    organizations,
    project_limits,
    projects,
    roles,
    teams,
)
from tollkeeper.store.invites import Invite
from tollkeeper.store.members import Member
from tollkeeper.store.project_limits import ProjectLimits

_PAGE = 1000


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)


class Present(msgspec.Struct, frozen=True):
    """What there is, by the names by which a file calls it; of keys only services' keys that were not replaced."""

    organization: Organization
    roles: dict[str, Role]  # the organization's own
    teams: dict[str, Team]
    projects: dict[str, Project]
    limits: dict[str, ProjectLimits]  # by the project's id
    budgets: dict[str, dict[BudgetKey, Budget]]  # by the place's id and a key without it; but for those in `limits`
    keys: dict[str, dict[str, ApiKey]]  # by the project's id and the key's name
    members: dict[str, Member]  # active ones, by e-mail
    invites: dict[str, list[Invite]]  # open ones, by e-mail
    accounts: dict[str, str]  # ids of verified accounts that are no members, by e-mail

    def team_name(self, team_id: str) -> str:
        """Return the name of a team in use; "" for no team."""
        return next((name for name, team in self.teams.items() if team.id == team_id), "")


async def read_present(action: Action, *, emails: Iterable[str] = ()) -> Present:
    """Read how the caller's organization is; `emails` are those of people who may have accounts."""
    action.require("org:manage", action.organization)
    connection, organization_id = action.connection, action.organization_id
    organization = await organizations.get_organization(connection, organization_id)
    assert organization is not None, "the caller's organization is there"
    all_roles = await _all(lambda after: roles.list_roles(connection, organization_id, after=after, limit=_PAGE))
    all_teams = await _all(lambda after: teams.list_teams(connection, organization_id, after=after, limit=_PAGE))
    in_use = await _all(lambda after: projects.list_projects(connection, organization_id, after=after, limit=_PAGE))
    wanted = member_lists.MemberFilter()
    people = await _all(
        lambda after: member_lists.list_members(connection, organization_id, wanted, after=after, limit=_PAGE)
    )
    members = {each.email: each for each in people}
    limits: dict[str, ProjectLimits] = {}
    for start in range(0, len(in_use), _PAGE):
        ids = [each.id for each in in_use[start : start + _PAGE]]
        limits |= await project_limits.read_limits(connection, organization_id, ids)
    return Present(
        organization=organization,
        roles={each.name: each for each in all_roles if each.id not in PREDEFINED},
        teams={each.name: each for each in all_teams},
        projects={each.name: each for each in in_use},
        limits=limits,
        budgets=await _read_budgets(action),
        keys=await _read_keys(action),
        members=members,
        invites=await _read_invites(action),
        accounts=await _read_accounts(action, [each for each in emails if each not in members]),
    )


async def _all(read_page: Callable[[str | None], Awaitable[list[T]]]) -> list[T]:
    found: list[T] = []
    while True:
        page = await read_page(found[-1].id if found else None)
        found += page
        if len(page) < _PAGE:
            return found


async def _read_budgets(action: Action) -> dict[str, dict[BudgetKey, Budget]]:
    found: dict[str, dict[BudgetKey, Budget]] = {}
    after: BudgetKey | None = None
    while True:
        page = await budgets.list_budgets(
            action.connection, action.organization_id, budgets.BudgetFilter(), after=after, limit=_PAGE
        )
        for each in page:
            if not project_limits.is_model_limit(each):
                found.setdefault(each.scope_id, {})[msgspec.structs.replace(each.key, scope_id="")] = each
        if len(page) < _PAGE:
            return found
        after = page[-1].key


async def _read_keys(action: Action) -> dict[str, dict[str, ApiKey]]:
    """Names need not be unique: a file means the oldest key of its name, and one in use before a disabled one."""
    wanted = api_keys.KeyFilter(kind=KeyKind.SERVICE)
    every = await _all(
        lambda after: api_keys.list_api_keys(
            action.connection, action.organization_id, wanted, after=after, limit=_PAGE
        )
    )
    found: dict[str, dict[str, ApiKey]] = {}
    for key in sorted(every, key=lambda each: each.status is not KeyStatus.ACTIVE):
        if not key.replaced_by:
            found.setdefault(key.project_id, {}).setdefault(key.name, key)
    return found


async def _read_invites(action: Action) -> dict[str, list[Invite]]:
    every = await _all(
        lambda after: invites.list_invites(action.connection, action.organization_id, after=after, limit=_PAGE)
    )
    found: dict[str, list[Invite]] = {}
    for each in every:
        if each.is_open(action.now_us):
            found.setdefault(each.email, []).append(each)
    return found


async def _read_accounts(action: Action, emails: list[str]) -> dict[str, str]:
    """An address that its account has not proved yet may be another person's: it gets an invitation."""
    found: dict[str, str] = {}
    for email in emails:
        known = await accounts.find_credentials(action.connection, email=email)
        if known is None or known.account.email_verified_at_us is None:
            continue
        if known.account.status is AccountStatus.ACTIVE:
            found[email] = known.account.id
    return found
