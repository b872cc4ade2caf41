"""An organization on a store with the operator's means to apply files to it, and files of any size."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration, Caller, Secrets, operator
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.blueprint.execution import Applied, Orders, apply_blueprint, plan_changes, rehearse
from tollkeeper.control.blueprint.plan import Plan
from tollkeeper.control.blueprint.reading import Blueprint, read_blueprint
from tollkeeper.control.blueprint.writing import export_document, write_yaml
from tollkeeper.domain.account import Account, AccountId, AccountStatus
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store import accounts, organizations
from tollkeeper.store.engine import Store

PEPPER = b"p" * 32


@dataclass
class Desk:
    """Where files are applied to one organization."""

    store: Store
    administration: Administration
    caller: Caller
    organization_id: str

    async def plan(self, text: str, *, is_pruning: bool = False) -> Plan:
        return await self.administration.look(self.caller, plan_changes, read(text), is_pruning=is_pruning)

    async def apply(self, text: str, *, is_pruning: bool = False, may_overfill: bool = False) -> Applied:
        agreed = await self.plan(text, is_pruning=is_pruning)
        return await self.apply_agreed(text, agreed, is_pruning=is_pruning, may_overfill=may_overfill)

    async def apply_agreed(
        self, text: str, agreed: Plan, *, is_pruning: bool = False, may_overfill: bool = False
    ) -> Applied:
        orders = Orders(rules=AccountRules(), is_pruning=is_pruning, may_overfill=may_overfill)
        return await self.administration.change(self.caller, apply_blueprint, read(text), agreed=agreed, orders=orders)

    async def rehearse(self, text: str) -> None:
        orders = Orders(rules=AccountRules())
        await rehearse(self.administration, self.caller, read(text), agreed=await self.plan(text), orders=orders)

    async def export(self) -> str:
        return write_yaml(await self.administration.look(self.caller, export_document))

    async def account(self, email: str, *, is_verified: bool = True) -> Account:
        """Make an account that belongs to no organization."""
        verified_at_us = now_us() if is_verified else None
        made = Account(
            AccountId(new_id("acc")), email, email.partition("@")[0], "en", AccountStatus.ACTIVE, False,
            verified_at_us, now_us(),
        )  # fmt: skip
        await self.store.write(lambda c: accounts.create_account(c, made, password_hash=None))
        return made


async def make_desk(store: Store, name: str = "Acme") -> Desk:
    made = await store.write(lambda c: organizations.create_organization(c, name))
    return Desk(store, Administration(store, Secrets.of(PEPPER)), operator(made.id, name="jimin"), made.id)


def read(text: str) -> Blueprint:
    return read_blueprint(textwrap.dedent(text).encode(), name="org.yaml")


def shown(plan: Plan) -> list[str]:
    """Return a plan's changes as `+ team search`."""
    signs = {"create": "+", "update": "~", "delete": "-"}
    return [f"{signs[each.verb]} {each.kind} {each.name}" for each in plan.changes]


def large_file(objects: int) -> str:
    """Return a file of so many objects: of five, one is a team, two are projects, one a key and one an invitation."""
    lines = ["organization:", "  budget: {monthly_usd: 1000000}", "teams:"]
    sets = objects // 5
    for number in range(sets):
        lines += [
            f"- name: team {number}",
            "  budget: {monthly_usd: 100}",
            "  projects:",
            f"  - name: project {number} a",
            "    budget: {monthly_usd: 60.5}",
            "    quota_alerts: [{threshold: 0.75, action: email}]",
            "    keys:",
            f"    - name: key {number}",
            "      permissions: [chat:create]",
            f"  - name: project {number} b",
            "    budget: {monthly_usd: 39.5}",
        ]
    lines.append("members:")
    for number in range(sets):
        lines += [f"- email: person{number}@example.com", f"  roles: [{{role: developer, team: team {number}}}]"]
    return "\n".join(lines)


def keys_of(applied: Applied) -> list[NewApiKey]:
    return list(applied.keys)
