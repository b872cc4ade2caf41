"""What open pages listen to: an event when the organization has new calls, at most one a second. It tells nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from tollkeeper.control.usage_access import scopes_of
from tollkeeper.domain.errors import Overloaded, StoreUnavailable
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.web.visitor import Visitor

EVERY_S = 1.0
LASTS_S = 600.0
"""After that the browser asks again, and whether it may listen is looked at again."""
_SILENCE_S = 15.0
LISTENERS_MAX = 500
_listeners: set[object] = set()


async def show(visitor: Visitor) -> Response:
    """Answer a stream of events.

    Raises:
        PermissionDenied: the person may see no calls.
        Overloaded: too many pages listen to this process.
    """
    scopes_of(visitor.principal, is_detailed=False)
    if len(_listeners) >= LISTENERS_MAX:
        raise Overloaded("Too many open pages listen to this server; reload to see new calls.")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}
    return StreamingResponse(_events(visitor), headers=headers, media_type="text/event-stream")


async def _events(visitor: Visitor) -> AsyncIterator[bytes]:
    listener = object()
    _listeners.add(listener)
    try:
        began_s = said_s = monotonic_s()
        known = await visitor.news.newest(visitor.organization.id)
        yield b"retry: 3000\n\n"
        while monotonic_s() - began_s < LASTS_S:
            await asyncio.sleep(EVERY_S)
            try:
                newest = await visitor.news.newest(visitor.organization.id)
            except StoreUnavailable:
                return  # the browser comes back by itself
            if newest != known:
                known, said_s = newest, monotonic_s()
                yield b"event: new\ndata: calls\n\n"
            elif monotonic_s() - said_s > _SILENCE_S:
                said_s = monotonic_s()
                yield b": still here\n\n"
    finally:
        _listeners.discard(listener)
