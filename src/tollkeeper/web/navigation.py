"""The menu: which pages a person is offered, by what they may do."""

from __future__ import annotations

from typing import NamedTuple

from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.visitor import Visitor


class Entry(NamedTuple):
    """A line of the menu; `permissions`: any of them, or none needed. `is_of_whole`: for the whole organization.

    `needs_role`: for whoever has any role.
    """

    name: str
    title: str
    permissions: tuple[str, ...] = ()
    is_of_whole: bool = False
    needs_role: bool = False


ENTRIES = (
    Entry("overview", _("Overview")),
    Entry("usage", _("Usage"), ("analytics:full", "analytics:read:aggregate", "analytics:own")),
    Entry("calls", _("Calls"), ("analytics:full", "analytics:own")),
    Entry("budgets", _("Budgets"), ("quota:read", "quota:read:summary")),
    Entry("alerts", _("Alerts"), ("quota:read",)),
    Entry("credits", _("Credits"), ("billing:read",), is_of_whole=True),
    Entry("keys", _("API keys"), ("api_key:read",)),
    Entry("models", _("Models and providers"), ("models:list",)),
    Entry("playground", _("Playground"), ("chat:create",)),
    Entry("reports", _("Reports"), ("analytics:full",), is_of_whole=True),
    Entry("projects", _("Teams and projects")),
    Entry("people", _("People"), needs_role=True),
    Entry("roles", _("Roles")),
    Entry("audit", _("Audit"), ("audit:read",), is_of_whole=True),
    Entry("settings", _("Settings"), ("org:manage",), is_of_whole=True),
)


class Shown(NamedTuple):
    name: str
    title: str
    address: str
    is_current: bool


def entries_for(visitor: Visitor) -> list[Shown]:
    """Return the menu of a person in an organization; nothing without one."""
    if visitor.visit is None or visitor.visit.organization is None:
        return []
    here = visitor.request.url.path
    return [
        Shown(
            each.name,
            visitor._(each.title),
            f"{visitor.home}/{each.name}",
            f"{here}/".startswith(f"{visitor.home}/{each.name}/"),
        )
        for each in ENTRIES
        if (visitor.principal.grants or not each.needs_role)
        and (not each.permissions or any(_may(visitor, each, name) for name in each.permissions))
    ]


def _may(visitor: Visitor, entry: Entry, permission: str) -> bool:
    return visitor.may_at(permission, visitor.whole) if entry.is_of_whole else visitor.may(permission)
