"""Who owns what: organizations, their teams and projects, how their ids look, and the place of a thing among them."""

from __future__ import annotations

from typing import Literal, NewType

import msgspec

from tollkeeper.domain.currency import DisplayCurrency

OrganizationId = NewType("OrganizationId", str)  # org_<20 base62>
TeamId = NewType("TeamId", str)  # team_<20 base62>
ProjectId = NewType("ProjectId", str)  # proj_<20 base62>

ScopeKind = Literal["organization", "team", "project"]
Language = Literal["en", "ko"]


class KeyPolicy(msgspec.Struct, frozen=True):
    """What an organization asks of its api keys and of the calls made with them."""

    key_age_max_days: int | None = None
    is_key_expiry_required: bool = False
    required_labels: tuple[str, ...] = ()
    """Every call must carry these labels: its own, or those of its key."""


class Organization(msgspec.Struct, frozen=True):
    """An organization; `timezone` is an IANA name and decides where its days begin.

    `tier` names the limits that it was given at first; its months begin at the day `fiscal_month_start`, 1 to 28.
    """

    id: OrganizationId
    name: str
    timezone: str
    created_at_us: int
    language: Language = "en"
    policy: KeyPolicy = KeyPolicy()
    tier: str = "enterprise"
    fiscal_month_start: int = 1
    is_prepaid: bool = False  # calls need credit
    display_currency: DisplayCurrency | None = None  # beside dollars, for people


class Team(msgspec.Struct, frozen=True):
    """A team has projects and people."""

    organization_id: OrganizationId
    id: TeamId
    name: str
    created_at_us: int
    archived_at_us: int | None = None


class Project(msgspec.Struct, frozen=True):
    """A project owns keys; usage is booked to it. `team_id` is "" for one that belongs to no team."""

    organization_id: OrganizationId
    id: ProjectId
    name: str
    created_at_us: int
    team_id: TeamId | Literal[""] = ""
    archived_at_us: int | None = None


class Place(msgspec.Struct, frozen=True):
    """Where something is: a project, else a team, else the organization itself. A project knows its team, if any."""

    organization_id: str
    team_id: str = ""
    project_id: str = ""

    @property
    def kind(self) -> ScopeKind:
        if self.project_id:
            return "project"
        return "team" if self.team_id else "organization"

    @property
    def id(self) -> str:
        return self.project_id or self.team_id or self.organization_id
