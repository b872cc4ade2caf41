"""The pages of the audit log: newest first with what changed, search, one event, export, and whether the log is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta

from starlette.responses import Response, StreamingResponse

from tollkeeper.control import audit
from tollkeeper.control.audit import AuditFilter
from tollkeeper.control.audit_export import Form, export_header, export_line
from tollkeeper.control.audit_verification import ChainReport, check_own_log
from tollkeeper.domain.audit import ExportedEvent
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.answers import page
from tollkeeper.web.differences import differences_of
from tollkeeper.web.visitor import Sent, Visitor

_PAGE = 50
_WORD_LENGTH_MAX = 64
_FAULTS_SHOWN_MAX = 20
_MEDIA_TYPES: dict[Form, str] = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
FILTERS = ("actor", "action", "target", "from", "to")
"""The words of a search, in the address and in the forms that go by it."""


async def show(visitor: Visitor) -> Response:
    """Answer the list."""
    return await _list(visitor, visitor.query, None)


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
    return await page(
        visitor,
        "audit.html",
        rows=[(event, differences_of(event.before, event.after)) for event in found[:_PAGE]],
        next_after=found[_PAGE - 1].id if len(found) > _PAGE else "",
        words={name: said[name] for name in FILTERS},
        report=report,
        faults_shown=_FAULTS_SHOWN_MAX,
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
        InvalidRequest: a word that is too long, or a day that is none.
    """
    action = said["action"].strip()
    words = (said["actor"].strip(), action, said["target"].strip())
    if any(len(each) > _WORD_LENGTH_MAX for each in words):
        raise InvalidRequest(f"A word to search for has at most {_WORD_LENGTH_MAX} characters.")
    first, last = _day(said, "from"), _day(said, "to")
    midnight_us = visitor.figures.midnight_us
    return AuditFilter(
        actor_id=words[0] or None,
        action=(action if "." in action else f"{action}.") if action else None,
        target_id=words[2] or None,
        from_us=midnight_us(first) if first else None,
        to_us=midnight_us(last + timedelta(days=1)) if last else None,
    )


def _day(said: Sent, name: str) -> date | None:
    if not said[name]:
        return None
    try:
        found = date.fromisoformat(said[name])
    except ValueError:
        raise InvalidRequest("A day is written like 2026-11-23.", param=name) from None
    if not 1971 <= found.year < 2200:
        raise InvalidRequest("Choose a day of this century.", param=name)
    return found
