"""The trace of one call: when it took its steps, and what became of each try. Plain data, put into spans elsewhere.

What a call says and is answered never gets here: there is no place for it.
"""

from __future__ import annotations

import os
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit import clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tollkeeper.ports.call_tracing import CallTracer, RunningTrace

EVENTS_MAX = 64
TRIES_MAX = 32
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_RATIO_BITS = 64


class Parent(msgspec.Struct, frozen=True):
    """The client's own span, as `traceparent` names it."""

    trace_id: int
    span_id: int
    is_sampled: bool


class TryTrace:
    """One try at a deployment. `record` is the usage record that it ended in, when it has one."""

    __slots__ = ("deployment", "ended_ns", "error", "is_stream", "record", "span_id", "started_ns", "status")

    def __init__(self, deployment: Deployment, *, is_stream: bool) -> None:
        self.deployment, self.is_stream = deployment, is_stream
        self.span_id = _new_id(8)
        self.started_ns, self.ended_ns = clock.monotonic_ns(), 0
        self.status, self.error = 0, ""
        self.record: UsageRecord | None = None

    def end(self, status: int, error: str = "") -> None:
        """End it now; `error` is the kind of the fault that it met."""
        self.ended_ns, self.status, self.error = clock.monotonic_ns(), status, error


class CallTrace:
    """Satisfies `ports.call_tracing.RunningTrace`. Steps come from the parts that take them, by `current`."""

    __slots__ = (
        "_offer",
        "dialect",
        "ended_ns",
        "error",
        "events",
        "operation",
        "parent",
        "request_id",
        "span_id",
        "started_ns",
        "started_us",
        "status",
        "trace_id",
        "tries",
    )

    def __init__(self, offer: Callable[[CallTrace], object], trace_id: int, parent: Parent | None) -> None:
        self._offer = offer
        self.trace_id, self.parent, self.span_id = trace_id, parent, _new_id(8)
        self.operation = self.dialect = self.request_id = self.error = ""
        self.started_us = self.started_ns = self.ended_ns = self.status = 0
        self.events: list[tuple[str, int]] = []
        self.tries: list[TryTrace] = []

    def mark(self, step: str) -> None:
        """Note that a step is done now."""
        if len(self.events) < EVENTS_MAX:
            self.events.append((step, clock.monotonic_ns()))

    def has_marked(self, step: str) -> bool:
        return any(name == step for name, _ in self.events)

    def begin_try(self, deployment: Deployment, *, is_stream: bool) -> TryTrace:
        """Note that a deployment is asked now."""
        tried = TryTrace(deployment, is_stream=is_stream)
        if len(self.tries) < TRIES_MAX:
            self.tries.append(tried)
        return tried

    def settled(self, record: UsageRecord) -> None:
        """Keep the record of the try that has just ended."""
        if self.tries and not self.ended_ns:
            self.tries[-1].record = record

    def end(self, status: int, request_id: str, error: str) -> None:
        """See `ports.call_tracing.RunningTrace`."""
        self.ended_ns, self.status = clock.monotonic_ns(), status
        self.request_id, self.error = request_id, error
        current.set(None)
        self._offer(self)

    def at_ns(self, monotonic_ns: int) -> int:
        """Return a moment of the monotonic clock in nanoseconds since 1970 UTC."""
        return self.started_us * 1000 + monotonic_ns - self.started_ns


current: ContextVar[CallTrace | None] = ContextVar("current", default=None)
"""The trace of the call that this task serves."""


class Tracer:
    """Satisfies `ports.call_tracing.CallTracer`. A client's word on its own trace holds; of the others `ratio` are traced."""

    def __init__(self, offer: Callable[[CallTrace], object], ratio: float) -> None:
        self._offer, self._bound = offer, round(ratio * (1 << _RATIO_BITS))

    def begin(
        self, traceparent: bytes, *, operation: str, dialect: str, started_us: int, started_ns: int
    ) -> CallTrace | None:
        """See `ports.call_tracing.CallTracer`."""
        parent = read_traceparent(traceparent) if traceparent else None
        trace_id = _new_id(16) if parent is None else parent.trace_id
        is_traced = parent.is_sampled if parent is not None else trace_id % (1 << _RATIO_BITS) < self._bound
        if not is_traced:
            return None
        trace = CallTrace(self._offer, trace_id, parent)
        trace.operation, trace.dialect = operation, dialect
        trace.started_us, trace.started_ns = started_us, started_ns
        current.set(trace)
        return trace


def mark(step: str) -> None:
    """Note that a step of the call that this task serves is done now."""
    if (trace := current.get()) is not None:
        trace.mark(step)


def read_traceparent(value: bytes) -> Parent | None:
    """Read the header by which a client names its span; None when it is not one.

    https://www.w3.org/TR/trace-context/#traceparent-header, read 2026-11-23: a later version may add parts at the end.
    """
    found = _PARENT.fullmatch(value.strip())
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return Parent(trace_id, span_id, bool(int(found[4], 16) & 1))


def _new_id(length: int) -> int:
    return int.from_bytes(os.urandom(length), "big") or 1


if TYPE_CHECKING:

    def _are_the_ports(tracer: Tracer, trace: CallTrace) -> tuple[CallTracer, RunningTrace]:
        return tracer, trace
