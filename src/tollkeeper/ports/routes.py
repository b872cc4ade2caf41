"""What the data plane asks of routes: the table of an organization, from memory."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.deployment import RouteTable


class Routes(Protocol):
    """The route tables in force."""

    def of(self, organization_id: str) -> RouteTable:
        """Return the organization's table, the operator's when it has none of its own; never waits."""
        ...
