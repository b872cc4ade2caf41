"""A company with a team of two projects, a third project, and people: who makes keys, who may, and who may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from tests.tenancy.company import PEPPER, Company, Person, found_company

from tollkeeper.control import api_keys
from tollkeeper.control.administration import Caller
from tollkeeper.control.api_keys import KeyUpdate, NewApiKey, Rotated
from tollkeeper.domain.access import principal_of_key
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.tenancy import KeyPolicy, Project, Team
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import api_keys as key_rows
from tollkeeper.store import key_lookup, organizations
from tollkeeper.store.engine import Store

DAY_US = 86_400_000_000
CHAT = frozenset({"chat:create", "models:list"})
__all__ = ["CHAT", "DAY_US", "PEPPER", "Workshop", "in_days", "open_workshop"]


@dataclass(frozen=True)
class Workshop:
    """`search` and `chat` belong to the team, `ops` to none. The developer works on `search` only."""

    company: Company
    team: Team
    search: Project
    chat: Project
    ops: Project
    admin: Person
    lead: Person
    developer: Person
    viewer: Person

    @property
    def store(self) -> Store:
        return self.company.store

    async def service(self, who: Person | Caller | None = None, **wanted: Any) -> NewApiKey:
        wanted = {"project_id": self.search.id, "name": "a service", **wanted}
        made: NewApiKey = await self.company.change(who, api_keys.create_service_key, **wanted)
        return made

    async def own(self, who: Person | Caller, **wanted: Any) -> NewApiKey:
        """Make a member's key."""
        wanted = {"project_ids": (self.search.id,), "name": "my key", **wanted}
        made: NewApiKey = await self.company.change(who, api_keys.create_member_key, **wanted)
        return made

    async def admin_key(self, who: Person | Caller | None = None, **wanted: Any) -> NewApiKey:
        made: NewApiKey = await self.company.change(who, api_keys.create_admin_key, **{"name": "an admin", **wanted})
        return made

    async def update(self, who: Person | Caller | None, key: NewApiKey | ApiKey, **wanted: Any) -> ApiKey:
        changed: ApiKey = await self.company.change(who, api_keys.update_key, _id(key), KeyUpdate(**wanted))
        return changed

    async def rotate(self, who: Person | Caller | None, key: NewApiKey | ApiKey, **wanted: Any) -> Rotated:
        rotated: Rotated = await self.company.change(who, api_keys.rotate_key, _id(key), **wanted)
        return rotated

    async def delete(self, who: Person | Caller | None, key: NewApiKey | ApiKey) -> ApiKey:
        deleted: ApiKey = await self.company.change(who, api_keys.delete_key, _id(key))
        return deleted

    async def found(self, made: NewApiKey) -> ApiKey:
        """Return the key as the gateway finds it now, by its secret, but for what of budgets and rates holds for it."""
        return msgspec.structs.replace(await self.held(made), limits=(), rates=())

    async def held(self, made: NewApiKey) -> ApiKey:
        """Return the key as the gateway finds it now, by its secret, with the budgets and rates it is held to."""
        digest = keyed_digest(PEPPER, made.key.encode())
        found = await self.store.read(lambda c: key_lookup.find_by_digest(c, digest))
        assert found is not None
        return found

    async def stored(self, key: NewApiKey | ApiKey) -> ApiKey:
        found = await self.store.read(lambda c: key_rows.get_api_key(c, self.company.id, _id(key)))
        assert found is not None
        return found

    async def as_key(self, made: NewApiKey) -> Caller:
        """Return the caller that a key is."""
        return Caller(principal_of_key(await self.found(made)), "192.0.2.1", "req_test")

    async def set_policy(self, **wanted: Any) -> None:
        changes = {"policy": KeyPolicy(**wanted)}
        await self.store.write(lambda c: organizations.change_organization(c, self.company.id, changes))


async def open_workshop(store: Store) -> Workshop:
    company = await found_company(store)
    team = await company.team("search team")
    search, chat, ops = (
        await company.project("search", team),
        await company.project("chat", team),
        await company.project("ops"),
    )
    return Workshop(
        company,
        team,
        search,
        chat,
        ops,
        admin=await company.hire("admin", ("org_admin", company.id)),
        lead=await company.hire("lead", ("team_admin", team.id)),
        developer=await company.hire("developer", ("developer", search.id)),
        viewer=await company.hire("viewer", ("viewer", search.id)),
    )


def in_days(days: int) -> int:
    return now_us() + days * DAY_US


def _id(key: NewApiKey | ApiKey) -> str:
    return (key.record if isinstance(key, NewApiKey) else key).id


def as_operator_for(caller: Caller, member_id: str) -> Caller:
    """Return the operator acting for a member, as the command line does with --member."""
    return msgspec.structs.replace(caller, principal=msgspec.structs.replace(caller.principal, member_id=member_id))
