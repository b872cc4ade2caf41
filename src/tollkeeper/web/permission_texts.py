"""What each permission lets people do, in the words of pages, and what the predefined roles are."""

from __future__ import annotations

import msgspec

from tollkeeper.web.catalogues import mark as _


class Group(msgspec.Struct, frozen=True):
    """Permissions that are shown together: name -> what it lets people do."""

    title: str
    texts: dict[str, str]


GROUPS: tuple[Group, ...] = (
    Group(
        _("People and places"),
        {
            "org:manage": _("Change the organization's settings"),
            "team:create": _("Make teams"),
            "team:delete": _("Delete teams"),
            "project:manage": _("Make, rename, move and delete projects"),
            "member:manage": _("Invite and remove people, give and take roles"),
            "role:manage": _("Make and change roles"),
            "audit:read": _("Read the audit log"),
        },
    ),
    Group(
        _("API keys"),
        {
            "api_key:create": _("Make every kind of key, administration keys too"),
            "api_key:create:limited": _("Make and change keys of the own projects"),
            "api_key:read": _("See keys"),
            "api_key:delete": _("Delete keys"),
        },
    ),
    Group(
        _("Budgets and limits"),
        {
            "quota:manage": _("Set budgets, limits and alerts, and decide requests for more"),
            "quota:override": _("Go beyond what a tier or a whole allows"),
            "quota:read": _("See budgets, and ask for more"),
            "quota:read:summary": _("See what is left"),
        },
    ),
    Group(
        _("Usage and money"),
        {
            "analytics:full": _("See all usage, call by call"),
            "analytics:own": _("See the own usage"),
            "analytics:read:aggregate": _("See totals of usage"),
            "billing:manage": _("Grant credit and settle bills"),
            "billing:read": _("See credit, costs and the ledger"),
            "price:manage": _("Set prices"),
            "provider:manage": _("Connect providers and their keys"),
        },
    ),
    Group(
        _("Calling models"),
        {
            "chat:create": _("Chat and text"),
            "responses:create": _("Responses"),
            "embeddings:create": _("Embeddings"),
            "images:create": _("Images"),
            "audio:create": _("Speech and transcription"),
            "moderations:create": _("Moderation"),
            "files:manage": _("Files"),
            "batches:manage": _("Batches"),
            "models:list": _("List models"),
        },
    ),
)
ROLE_TITLES: dict[str, str] = {
    "org_admin": _("Organization admin"),
    "team_admin": _("Team admin"),
    "developer": _("Developer"),
    "viewer": _("Viewer"),
}
"""What the predefined roles are called, as letters call them too; the organization's own ones have names."""
ROLE_TEXTS: dict[str, str] = {
    "org_admin": _("Everything in the organization."),
    "team_admin": _("Everything within the team or project that it is given for."),
    "developer": _("Calls models, makes keys for the own projects, sees the own usage and what is left."),
    "viewer": _("Sees totals and what is left, nothing of single calls or keys."),
}
"""The descriptions of the predefined roles, which the organization's own ones have in its own words."""
