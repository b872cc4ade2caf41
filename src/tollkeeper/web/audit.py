"""The pages of the audit log: newest first with what changed, search, one event, export, and whether the log is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from starlette.responses import Response, StreamingResponse

from tollkeeper.control import audit
from tollkeeper.control.audit import AuditFilter
from tollkeeper.control.audit_export import Form, export_header, export_line
from tollkeeper.control.audit_verification import ChainReport, check_own_log
from tollkeeper.domain.audit import ExportedEvent
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.refusals import classify
from tollkeeper.web.answers import page
from tollkeeper.web.differences import differences_of
from tollkeeper.web.fields import check_order, read_day
from tollkeeper.web.visitor import Sent, Visitor

_PAGE = 50
_WORD_LENGTH_MAX = 64
_FAULTS_SHOWN_MAX = 20
_MEDIA_TYPES: dict[Form, str] = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
FILTERS = ("actor", "action", "target", "from", "to")
"""The words of a search, in the address and in the forms that go by it."""


async def show(visitor: Visitor) -> Response:
    """Answer the list. What the address says wrong is told beside the form, which stays as it was."""
    try:
        return await _list(visitor, visitor.query, None)
    except InvalidRequest as wrong:
        return await _page(visitor, visitor.query, wrong=wrong)


async def act(visitor: Visitor) -> Response:
    """Export what is searched for, or check that the log is whole."""
    sent = visitor.form
    match sent["do"]:
        case "export":
            return await _export(visitor)
        case "verify":
            return await _list(visitor, sent, await visitor.look(check_own_log))
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one event."""
    event = await visitor.look(audit.get_event, visitor.path["event"])
    differences = differences_of(event.before, event.after, most=None)
    return await page(visitor, "audit_event.html", event=event, differences=differences)


async def _list(visitor: Visitor, said: Sent, report: ChainReport | None) -> Response:
    wanted = _filter(visitor, said)
    found = await visitor.look(audit.list_events, wanted, after=said["after"] or None, limit=_PAGE + 1)
    rows = [(event, differences_of(event.before, event.after)) for event in found[:_PAGE]]
    next_after = found[_PAGE - 1].id if len(found) > _PAGE else ""
    return await _page(visitor, said, rows=rows, next_after=next_after, report=report)


async def _page(visitor: Visitor, said: Sent, *, wrong: InvalidRequest | None = None, **found: Any) -> Response:
    return await page(
        visitor,
        "audit.html",
        status=classify(wrong)[0] if wrong else 200,
        wrong=wrong,
        words={name: said[name] for name in FILTERS},
        faults_shown=_FAULTS_SHOWN_MAX,
        **{"rows": [], "next_after": "", "report": None, **found},
    )


async def _export(visitor: Visitor) -> Response:
    sent = visitor.form
    form = next((each for each in _MEDIA_TYPES if each == sent["format"]), None)
    if form is None:
        raise InvalidRequest("An export is jsonl or csv.", param="format")
    wanted = _filter(visitor, sent)
    last = await visitor.change(audit.export_events, wanted, form=form)
    pages = audit.read_export(visitor.administration, visitor.caller(), wanted, last=last)
    headers = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-disposition": f'attachment; filename="audit-log.{form}"',
    }
    return StreamingResponse(_lines(pages, form), headers=headers, media_type=_MEDIA_TYPES[form])


async def _lines(pages: AsyncIterator[list[ExportedEvent]], form: Form) -> AsyncIterator[bytes]:
    yield export_header(form)
    async for events in pages:
        yield b"".join(export_line(event, form) for event in events)


def _filter(visitor: Visitor, said: Sent) -> AuditFilter:
    """Read a search. Days are the organization's, the last one included.

    Raises:
        InvalidRequest: a word that is too long, a day that is none, or two in the wrong order.
    """
    action = said["action"].strip()
    words = (said["actor"].strip(), action, said["target"].strip())
    too_long = next(
        (name for name in ("actor", "action", "target") if len(said[name].strip()) > _WORD_LENGTH_MAX), None
    )
    if too_long:
        raise InvalidRequest(f"A word to search for has at most {_WORD_LENGTH_MAX} characters.", param=too_long)
    first, last = read_day(said["from"], "from"), read_day(said["to"], "to")
    check_order(first, last)
    midnight_us = visitor.figures.midnight_us
    return AuditFilter(
        actor_id=words[0] or None,
        action=(action if "." in action else f"{action}.") if action else None,
        target_id=words[2] or None,
        from_us=midnight_us(first) if first else None,
        to_us=midnight_us(last + timedelta(days=1)) if last else None,
    )
