"""Who owns what: organizations and their projects, and how their ids look."""

from __future__ import annotations

from typing import NewType

import msgspec

OrganizationId = NewType("OrganizationId", str)  # org_<20 base62>
ProjectId = NewType("ProjectId", str)  # proj_<20 base62>


class Organization(msgspec.Struct, frozen=True):
    """An organization; `timezone` is an IANA name and decides where its days begin."""

    id: OrganizationId
    name: str
    timezone: str
    created_at_us: int


class Project(msgspec.Struct, frozen=True):
    """A project owns keys; usage is booked to it."""

    organization_id: OrganizationId
    id: ProjectId
    name: str
    created_at_us: int
