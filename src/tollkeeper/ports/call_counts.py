"""What the data plane tells whoever counts calls: each that was settled, and each error that a caller was given."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.usage import UsageRecord


class CallCounts(Protocol):
    """Counts, on the path of every call: it must be cheap, and it never raises."""

    def settled(self, record: UsageRecord, deployment: Deployment, dialect: str) -> None:
        """Count a call that was forwarded to `deployment` and has ended, of a client that speaks `dialect`."""
        ...

    def refused(self, status: int, code: str, operation: str) -> None:
        """Count a request that was answered with an error of Tollkeeper's own; `operation` is "" for what is no call."""
        ...


class CountNothing:
    """Counts nothing."""

    def settled(self, record: UsageRecord, deployment: Deployment, dialect: str) -> None:
        pass

    def refused(self, status: int, code: str, operation: str) -> None:
        pass
