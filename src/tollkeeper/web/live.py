"""What open pages listen to: an event when the organization has new calls, at most one a second. It tells nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from tollkeeper.control.usage_access import scopes_of
from tollkeeper.domain.errors import Overloaded, StoreUnavailable
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.shield import run_shielded
from tollkeeper.ports.open_answers import ENDS_AT_STOP
from tollkeeper.web.visitor import Visitor

EVERY_S = 1.0
LASTS_S = 10.0
"""After that the browser asks again, so that whether somebody may listen is looked at again. The id of the last event says
what the browser knows."""
LISTENERS_MAX = 500
KNOWN_LENGTH_MAX = 16
PERSONS_LISTENERS_MAX = 30
_READ_S = 30.0


async def show(visitor: Visitor) -> Response:
    """Answer a stream of events.

    Raises:
        PermissionDenied: the person may see no calls.
        Overloaded: too many pages listen to this process.
    """
    scopes_of(visitor.principal, is_detailed=False)
    listening = visitor.listening
    if listening.total() >= LISTENERS_MAX or listening[visitor.account.id] >= PERSONS_LISTENERS_MAX:
        raise Overloaded("Too many open pages listen to this server; reload to see new calls.")
    visitor.request.scope["state"][ENDS_AT_STOP] = True
    headers = {"cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}
    return StreamingResponse(_events(visitor), headers=headers, media_type="text/event-stream")


async def newest_of(visitor: Visitor) -> str:
    """Return what stands for the newest call: a part of its id says when it was, and all of it would be an id too many.

    A page that was made from it names it when it listens, so that nothing is missed between.
    """
    newest = await visitor.news.newest(visitor.organization.id)
    return newest[:8].hex() or "none"


async def _read_whole(visitor: Visitor) -> str:
    """Return what `newest_of` does. A page that is closed meanwhile does not break the reading off: its connection to the
    database would be thrown away, and that stands in the log as an error.
    """
    return await run_shielded(newest_of(visitor), timeout_s=_READ_S)


async def _events(visitor: Visitor) -> AsyncIterator[bytes]:
    visitor.listening[visitor.account.id] += 1
    try:
        began_s = monotonic_s()
        known = visitor.request.headers.get("last-event-id") or visitor.query["known"]
        if not (known.isascii() and known.isalnum() and len(known) <= KNOWN_LENGTH_MAX):
            known = await _read_whole(visitor)
        yield f"retry: 200\nid: {known}\n\n".encode()
        while monotonic_s() - began_s < LASTS_S:
            await asyncio.sleep(EVERY_S)
            try:
                newest = await _read_whole(visitor)
            except (StoreUnavailable, TimeoutError):
                return  # the browser comes back by itself
            if newest != known:
                known = newest
                yield f"event: new\nid: {known}\ndata: calls\n\n".encode()
    finally:
        visitor.listening[visitor.account.id] -= 1
        if not visitor.listening[visitor.account.id]:
            del visitor.listening[visitor.account.id]
