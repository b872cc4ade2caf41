"""What a page answers with: a rendered template, or the way to another page. Headers let in exactly what our pages hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from tollkeeper.kit.ids import random_base62
from tollkeeper.web.navigation import entries_for
from tollkeeper.web.notices import is_warning, notice_of
from tollkeeper.web.refused_fields import refused_field
from tollkeeper.web.rendering import render
from tollkeeper.web.visitor import Visitor

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
ONCE_LENGTH = 22


async def page(
    visitor: Visitor,
    template: str,
    *,
    status: int = 200,
    made: Callable[[], Mapping[str, Any]] | None = None,
    **context: Any,
) -> Response:
    """Answer with a template; htmx asks for a part of a page and gets the same page, of which it takes that part.

    `made` adds to the context what takes milliseconds to make: it runs beside the loop, as the template does.
    """
    own = {
        "visitor": visitor,
        "figures": visitor.figures,
        "entries": entries_for(visitor),
        "notice": notice_of(visitor) if status < 400 and visitor.fault is None else "",  # of what was done before
        "is_warning": is_warning(visitor),
        "fault": visitor.fault,
        "refused": refused_field(context.get("wrong") or visitor.fault, visitor.form),
        "once": random_base62(ONCE_LENGTH),
        "theme": theme_of(visitor),
    }
    assert not own.keys() & context.keys(), "a page's own words would be lost"

    def written() -> bytes:
        return render(visitor.language, template, {**own, **context, **(made() if made is not None else {})})

    body = await asyncio.to_thread(written)
    return Response(body, status, headers=headers_of(visitor), media_type="text/html")


def go(address: str, *, notice: str = "", **query: str) -> Response:
    """Send the browser to another page, which may say what was done."""
    fields = {**query, **({"done": notice} if notice else {})}
    target = f"{address}?{urlencode(fields)}" if fields else address
    return Response(status_code=303, headers={"location": target, "cache-control": "no-store"})


def headers_of(visitor: Visitor) -> dict[str, str]:
    """Return a page's headers."""
    return {
        "content-security-policy": _POLICY,
        "content-language": visitor.language,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
        "vary": "accept-language, cookie",
    }


def theme_of(visitor: Visitor) -> str:
    """Return the colours that the reader chose; "" for those of their system."""
    chosen = visitor.request.cookies.get("tollkeeper_theme", "")
    return chosen if chosen in {"light", "dark"} else ""
