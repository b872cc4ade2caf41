"""The audit log for those who read it: search, one event, export; that it is whole is checked in audit_verification."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from tollkeeper.control.administration import Action, Administration, Caller, Target
from tollkeeper.domain.audit import FIRST_MAC, AuditEvent, ExportedEvent
from tollkeeper.domain.errors import NotFound
from tollkeeper.store import audit
from tollkeeper.store.audit import AuditFilter

__all__ = ["AuditFilter", "export_events", "get_event", "list_events", "read_export"]

_PAGE = 500


async def list_events(
    action: Action, wanted: AuditFilter, *, after: str | None = None, limit: int = 100
) -> list[AuditEvent]:
    """Return events of the organization, newest first, those older than the event `after`."""
    action.require("audit:read", action.organization)
    return await audit.list_events(action.connection, action.organization_id, wanted, after=after, limit=limit)


async def get_event(action: Action, event_id: str) -> AuditEvent:
    """Return one event.

    Raises:
        NotFound: the organization has none of this id.
    """
    action.require("audit:read", action.organization)
    found = await audit.get_event(action.connection, action.organization_id, event_id)
    if found is None:
        raise NotFound(f"There is no audit event '{event_id}'.")
    return found


async def export_events(action: Action, wanted: AuditFilter, *, form: str) -> int:
    """Note that the log is exported, which is worth knowing afterwards, and return the number before that note."""
    action.require("audit:read", action.organization)
    head = await audit.read_head(action.connection, action.organization_id)
    filters = {name: getattr(wanted, name) for name in wanted.__struct_fields__ if getattr(wanted, name) is not None}
    target = Target("audit_log", action.organization_id)
    action.record("audit.export", target, after={"format": form, "filter": filters})
    return head.number if head is not None else 0


async def read_export(
    administration: Administration, caller: Caller, wanted: AuditFilter, *, last: int
) -> AsyncIterator[list[ExportedEvent]]:
    """Yield the events up to the number `last`, oldest first, page by page: the log may be larger than the memory.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    number = 0
    while page := await administration.look(caller, _read_page, wanted, number=number):
        yield [event for event in page if event.number <= last]
        number = page[-1].number
        if number >= last:
            return


async def _read_page(action: Action, wanted: AuditFilter, *, number: int) -> list[ExportedEvent]:
    action.require("audit:read", action.organization)
    connection, organization_id = action.connection, action.organization_id
    found = await audit.events_after(connection, organization_id, number, wanted=wanted, limit=_PAGE)
    macs = {event.number: event.mac for event in found}
    before = [event.number - 1 for event in found if event.number > 1 and event.number - 1 not in macs]
    macs |= await audit.macs_of(connection, organization_id, before)
    macs[0] = FIRST_MAC
    return [
        ExportedEvent(**msgspec.structs.asdict(event), previous_mac=macs.get(event.number - 1, b"")) for event in found
    ]
