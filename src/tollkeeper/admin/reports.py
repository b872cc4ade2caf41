"""/v1/reports: the reports of weeks and months that were made, previews, sending by hand, and when and to whom they go."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from tollkeeper.admin.people import people_of
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.report_shapes import (
    EntryAnswer,
    PreviewBody,
    ReportAnswer,
    SendBody,
    SentAnswer,
    SettingsAnswer,
    SettingsBody,
)
from tollkeeper.admin.shapes import After, Limit, ListPage, administration_of, answer, id_path, list_answer
from tollkeeper.control import report_settings, reports
from tollkeeper.control.administration import Caller
from tollkeeper.control.report_settings import SettingsChanges
from tollkeeper.control.report_views import shown_entry, shown_report, shown_settings, shown_state
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.report_calendar import ReportKind

router = APIRouter(tags=["reports"])
Reading = Annotated[Caller, Depends(requires("analytics:full"))]
Managing = Annotated[Caller, Depends(requires("org:manage"))]


@router.get("/v1/reports", response_model=ListPage[EntryAnswer], summary="List reports, the last one first")
async def list_reports(
    request: Request,
    caller: Reading,
    kind: Annotated[ReportKind | None, Query(description="Only of weeks, or of months.")] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    found = await administration_of(request).look(caller, reports.list_reports, kind=kind, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_entry)


@router.post("/v1/reports/preview", response_model=ReportAnswer, summary="Show what a report says")
async def preview_report(request: Request, body: PreviewBody, caller: Reading) -> Response:
    """Return the report of a week or month that is over: as it was sent if it was, else as of now. Nothing is sent."""
    found = await administration_of(request).look(caller, reports.preview_report, body.kind, day=_day_of(body.period))
    return answer(shown_report(found))


@router.post("/v1/reports/send", response_model=SentAnswer, summary="Send a report by hand")
async def send_report(request: Request, body: SendBody, caller: Managing) -> Response:
    """Write to members who may read reports. The same period again is sent with the same figures; that a report was sent
    by hand does not keep it from being sent when its turn comes.
    """
    administration = administration_of(request)
    content = await administration.look(caller, reports.prepare_report, body.kind, day=_day_of(body.period))
    sent = await administration.change(caller, reports.send_report, content, rules=people_of(request).rules, to=body.to)
    return answer(shown_state(sent))


@router.get("/v1/reports/settings", response_model=SettingsAnswer, summary="Show when reports go to whom")
async def get_settings(request: Request, caller: Reading) -> Response:
    rules = people_of(request).rules
    return answer(shown_settings(await administration_of(request).look(caller, report_settings.get_settings, rules)))


@router.put("/v1/reports/settings", response_model=SettingsAnswer, summary="Set when reports go to whom")
async def change_settings(request: Request, body: SettingsBody, caller: Managing) -> Response:
    """Change what is named. Members who lose the right to read reports do not get them any more, whether named or not."""
    is_named = "recipients" in body.model_fields_set
    changes = SettingsChanges(
        weekly=body.weekly,
        monthly=body.monthly,
        weekday=body.weekday,
        hour=body.hour,
        recipients=tuple(body.recipients or ()) if is_named else None,
    )
    changed = await administration_of(request).change(
        caller, report_settings.change_settings, people_of(request).rules, changes
    )
    return answer(shown_settings(changed))


@router.get("/v1/reports/{report_id}", response_model=ReportAnswer, summary="Get a report")
async def get_report(
    request: Request, report_id: Annotated[str, id_path("rep", "rep_0123456789ABCDEFGHIJ")], caller: Reading
) -> Response:
    """Return a report as it was when it was made: its figures never change."""
    return answer(shown_report(await administration_of(request).look(caller, reports.get_report, report_id)))


def _day_of(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"There is no day '{text}'; write it as 2026-11-16.", param="period") from None
