"""/v1/audit-log: search what was done, get one event, export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    Shape,
    Time,
    administration_of,
    answer,
    id_path,
    list_answer,
    time_us,
)
from tollkeeper.control import audit
from tollkeeper.control.administration import Caller
from tollkeeper.control.audit_export import Form, export_header, export_line, shown_event
from tollkeeper.domain.audit import ExportedEvent

router = APIRouter(tags=["audit log"])
_ID = r"^[0-9A-Za-z_.:-]{1,64}$"
_ACTION = r"^[a-z_]{1,40}\.[a-z_.]{0,40}$"
_MEDIA_TYPES: dict[Form, str] = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
EventPath = Annotated[str, id_path("audit", "audit_0123456789ABCDEFGHIJ")]


class ActorAnswer(Shape):
    kind: str
    id: str
    name: str


class TargetAnswer(Shape):
    kind: str
    id: str
    name: str


class AuditEventAnswer(Shape):
    object: Literal["audit_event"]
    id: str
    number: int
    at: str
    action: str
    actor: ActorAnswer
    address: str
    request_id: str
    target: TargetAnswer
    changed: list[str]
    before: Any
    after: Any
    mac: str


def wanted_events(
    actor_id: Annotated[str | None, Query(pattern=_ID, description="Who did it.")] = None,
    action: Annotated[
        str | None, Query(pattern=_ACTION, description="`team.create`, or `team.` for all that begin so.")
    ] = None,
    target_id: Annotated[str | None, Query(pattern=_ID, description="What it was done to.")] = None,
    begin: Annotated[Time | None, Query(alias="from", description="From this moment on.")] = None,
    end: Annotated[Time | None, Query(alias="to", description="Before this moment.")] = None,
) -> audit.AuditFilter:
    """Read the filters that the list and the export share."""
    return audit.AuditFilter(
        actor_id=actor_id,
        action=action,
        target_id=target_id,
        from_us=None if begin is None else time_us(begin),
        to_us=None if end is None else time_us(end),
    )


Wanted = Annotated[audit.AuditFilter, Depends(wanted_events)]


@router.get(
    "/v1/audit-log", response_model=ListPage[AuditEventAnswer], summary="Search the audit log, newest events first"
)
async def list_events(
    request: Request,
    wanted: Wanted,
    caller: Annotated[Caller, Depends(requires("audit:read"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(caller, audit.list_events, wanted, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_event)


@router.get(
    "/v1/audit-log/export",
    response_class=StreamingResponse,
    summary="Export the audit log, oldest events first; the export is an event itself",
)
async def export(
    request: Request,
    wanted: Wanted,
    caller: Annotated[Caller, Depends(requires("audit:read"))],
    format: Form = "jsonl",  # noqa: A002  # the parameter's name in the API
) -> Response:
    administration = administration_of(request)
    last = await administration.change(caller, audit.export_events, wanted, form=format)
    pages = audit.read_export(administration, caller, wanted, last=last)
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="audit-log.{format}"'}
    return StreamingResponse(_lines(pages, format), headers=headers, media_type=_MEDIA_TYPES[format])


@router.get("/v1/audit-log/{event_id}", response_model=AuditEventAnswer, summary="Get an audit event")
async def get_event(
    request: Request, event_id: EventPath, caller: Annotated[Caller, Depends(requires("audit:read"))]
) -> Response:
    return answer(shown_event(await administration_of(request).look(caller, audit.get_event, event_id)))


async def _lines(pages: AsyncIterator[list[ExportedEvent]], form: Form) -> AsyncIterator[bytes]:
    yield export_header(form)
    async for page in pages:
        yield b"".join(export_line(event, form) for event in page)
