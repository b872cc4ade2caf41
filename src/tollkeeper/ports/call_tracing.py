"""What the data plane asks of whoever traces calls; where nobody does, it has none."""

from __future__ import annotations

from typing import Protocol


class RunningTrace(Protocol):
    """The trace of a call under way."""

    def end(self, status: int, request_id: str, error: str) -> None:
        """End it with the status that the client got; `error` is the code of the error that it was answered with, or ""."""
        ...


class CallTracer(Protocol):
    """Begins traces."""

    def begin(
        self, traceparent: bytes, *, operation: str, dialect: str, started_us: int, started_ns: int
    ) -> RunningTrace | None:
        """Begin the trace of a call, below the client's own; None when this one is not traced.

        It started at `started_us` since 1970 UTC, which was `started_ns` of the monotonic clock.
        """
        ...
