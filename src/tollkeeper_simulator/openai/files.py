"""`/v1/files`: keeps files in memory, each for the API key that sent it, and lists, shows and deletes them.

Shapes: developers.openai.com/api/reference/resources/files, read 2026-11-22. What is read out of a file is nobody's here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.dialect import RefusedError
from tollkeeper_simulator.forms import file_names, read_form
from tollkeeper_simulator.openai.errors import error, refuse, unknown_url

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.http import Request

_encode = msgspec.json.Encoder().encode
_PATH = "/v1/files"
_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_LISTED_MAX = 10_000
_EXPIRY_MIN_S, _EXPIRY_MAX_S = 3_600, 2_592_000
_BATCH_KEPT_S = 2_592_000


@dataclass(frozen=True, slots=True)
class _Kept:
    shown: Json
    content: bytes


class Files:
    """The routes of files; they share what is kept."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: dict[str, dict[str, _Kept]] = {}

    def look_up(self, request: Request, api_key: str) -> Answer | None:
        """Answer what is asked about the files of a key; None for another route. Raises RefusedError."""
        if request.path != _PATH and not request.path.startswith(_PATH + "/"):
            return None
        own = self._kept.setdefault(api_key, {})
        name, _, below = request.path.removeprefix(_PATH).removeprefix("/").partition("/")
        if not name:
            return _create(own, request) if request.method == "POST" else _listed(own, dict(request.query))
        if (request.method, below) not in {("GET", ""), ("GET", "content"), ("DELETE", "")}:
            return unknown_url(request.method, request.path)
        kept = own.get(name)
        if kept is None:
            raise RefusedError(error(404, f"No such File object: {name}", param="id"))
        if request.method == "DELETE":
            del own[name]
            return Answer(200, _encode({"object": "file", "id": name, "deleted": True}))
        if below:
            disposition = f'attachment; filename="{kept.shown["filename"]}"'
            headers = [("content-disposition", disposition)] if disposition.isascii() else []
            return Answer(200, kept.content, plain_type="application/octet-stream", headers=headers)
        return Answer(200, _encode(kept.shown))


def _create(own: dict[str, _Kept], request: Request) -> Answer:
    if request.body_too_large:
        raise RefusedError(error(413, "Request body is too large."))
    content_type = request.headers.get("content-type", "")
    try:
        form = read_form(request.body, content_type)
    except ValueError as wrong:
        message = f"We could not read the form. ({wrong})"
        raise refuse(message) from wrong
    content, purpose = form.get("file"), form.get("purpose")
    if not isinstance(content, bytes):
        raise refuse("'file' is a required property", "file")
    if purpose not in _PURPOSES:
        message = f"'{purpose}' is not one of {list(_PURPOSES)} - 'purpose'"
        raise refuse(message, "purpose")
    now_s = clock.now_s()
    shown = {
        "object": "file",
        "id": clock.object_id("file-"),
        "purpose": purpose,
        "filename": file_names(request.body, content_type)["file"],
        "bytes": len(content),
        "created_at": now_s,
        "expires_at": _expiry(form, purpose, now_s),
        "status": "processed",
        "status_details": None,
    }
    own[shown["id"]] = _Kept(shown, content)
    return Answer(200, _encode(shown))


def _expiry(form: Json, purpose: str, now_s: int) -> int | None:
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return now_s + _BATCH_KEPT_S if purpose == "batch" else None
    if anchor != "created_at":
        raise refuse("'expires_after.anchor' must be 'created_at'.", "expires_after.anchor")
    if not (isinstance(seconds, str) and seconds.isdigit() and _EXPIRY_MIN_S <= int(seconds) <= _EXPIRY_MAX_S):
        raise refuse("'expires_after.seconds' is out of range.", "expires_after.seconds")
    return now_s + int(seconds)


def _listed(own: dict[str, _Kept], query: dict[str, str]) -> Answer:
    limit = query.get("limit", str(_LISTED_MAX))
    if not limit.isdigit() or not 1 <= int(limit) <= _LISTED_MAX:
        raise refuse("'limit' is out of range.", "limit")
    data = [kept.shown for kept in own.values() if query.get("purpose") in {None, kept.shown["purpose"]}]
    if query.get("order", "desc") == "desc":
        data.reverse()
    if (after := query.get("after")) is not None:
        ids = [each["id"] for each in data]
        if after not in ids:
            raise refuse("'after' is no file of the list.", "after")
        data = data[ids.index(after) + 1 :]
    page = data[: int(limit)]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    more = len(data) > len(page)
    return Answer(200, _encode({"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": more}))
