"""A company of people with roles, made by the real steps; whoever acts does so with what the database grants at that moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tollkeeper.control import budgets, members, projects, teams
from tollkeeper.control.administration import Action, Administration, Caller, Secrets, operator
from tollkeeper.control.budgets import Terms
from tollkeeper.control.organizations import create_organization
from tollkeeper.control.projects import ProjectQuota
from tollkeeper.domain.access import Principal, PrincipalKind
from tollkeeper.domain.account import Account, AccountId, AccountStatus
from tollkeeper.domain.audit import AuditEvent
from tollkeeper.domain.tenancy import Organization, Project, Team
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store import accounts, audit, revision
from tollkeeper.store import members as member_rows
from tollkeeper.store.engine import Store

PEPPER = b"p" * 32
USD = 10**9


class Person(msgspec.Struct, frozen=True):
    account_id: str
    member_id: str
    email: str


class Company:
    """One organization. `operator` may do everything; people may what their roles say."""

    def __init__(self, store: Store, organization: Organization, default: Project) -> None:
        self.store, self.organization, self.default = store, organization, default
        self.id = organization.id
        self.administration = Administration(store, Secrets.of(PEPPER))
        self.operator = operator(organization.id, name="a test")

    async def change(
        self, who: Person | Caller | None, step: Callable[..., Awaitable[Any]], *args: Any, **more: Any
    ) -> Any:
        return await self.administration.change(await self.caller(who), step, *args, **more)

    async def look(
        self, who: Person | Caller | None, step: Callable[..., Awaitable[Any]], *args: Any, **more: Any
    ) -> Any:
        return await self.administration.look(await self.caller(who), step, *args, **more)

    async def caller(self, who: Person | Caller | None) -> Caller:
        if who is None or isinstance(who, Caller):
            return who or self.operator
        grants = await self.store.read(lambda c: member_rows.read_grants(c, self.id, who.member_id))
        kind = PrincipalKind.ACCOUNT
        principal = Principal(
            kind, who.account_id, who.email, self.id, grants, account_id=who.account_id, member_id=who.member_id
        )
        return Caller(principal, "192.0.2.1", "req_test")

    async def hire(self, name: str, *roles: tuple[str, str]) -> Person:
        """Add a person with roles: (role, id of the place)."""
        account_id = await add_account(self.store, f"{name}@example.com")
        member = await self.store.write(lambda c: member_rows.add_member(c, self.id, account_id))
        for role, scope_id in roles:
            await self.change(None, members.give_role, member.id, role=role, scope_id=scope_id)
        return Person(account_id, member.id, f"{name}@example.com")

    async def team(self, name: str) -> Team:
        made: Team = await self.change(None, teams.create_team, name=name)
        return made

    async def project(self, name: str, team: Team | None = None, *, monthly_usd: int | None = None) -> Project:
        quota = ProjectQuota() if monthly_usd is None else ProjectQuota(monthly_usd * USD)
        made = await self.change(
            None, projects.create_project, name=name, team_id=team.id if team else None, quota=quota
        )
        project: Project = made.project
        return project

    async def budget(self, scope_id: str, usd: int) -> None:
        await self.change(None, budgets.set_budget, scope_id, terms=Terms(usd * USD))

    async def events(self, action: str | None = None) -> list[AuditEvent]:
        """Return the events of the audit log, oldest first."""
        found = await self.store.read(lambda c: audit.events_after(c, self.id, 0))
        return [each for each in found if action is None or each.action == action]

    async def changes(self, kind: str) -> list[str]:
        """Return what running replicas are told to forget of a kind, in order."""
        found = await self.store.read(lambda c: revision.changes_after(c, 0))
        return [each.entity_id for each in found if each.kind == kind and each.organization_id == self.id]


async def found_company(store: Store, name: str = "Acme") -> Company:
    async def found(connection: Any) -> Company:
        action = Action(connection, operator("", name="a test"), Secrets.of(PEPPER))
        made = await create_organization(action, name=name, timezone="Asia/Seoul", is_open=False)
        return Company(store, made.organization, made.project)

    return await store.write(found)


async def add_account(store: Store, email: str, *, is_verified: bool = True) -> str:
    verified_at_us = now_us() if is_verified else None
    account_id = AccountId(new_id("acc"))
    made = Account(account_id, email, email, "en", AccountStatus.ACTIVE, False, verified_at_us, now_us())
    await store.write(lambda c: accounts.create_account(c, made, password_hash=None))
    return account_id


def person_without_organization(account_id: str) -> Caller:
    return Caller(Principal(PrincipalKind.ACCOUNT, account_id, "somebody", "", account_id=account_id))
