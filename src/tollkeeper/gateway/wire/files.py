"""Files in OpenAI's dialect: what is asked for, the form that sends one, and the object that describes one. Pure.

Shapes: https://developers.openai.com/api/reference/resources/files (read 2026-11-22).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tollkeeper.domain.errors import InvalidRequest, UnsupportedContentType
from tollkeeper.domain.provider_file import FileQuestion, ProviderFile
from tollkeeper.gateway.wire.multipart import is_form, read_form

LISTED_MAX = 10_000
_PURPOSE_LENGTH_MAX = 64
_FIELDS_MAX = 16
_SECOND_US = 1_000_000
_INT64_MAX = 2**63 - 1
_SECONDS_MAX = _INT64_MAX // _SECOND_US
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,255}")
_encode = msgspec.json.Encoder().encode


class _FileObject(msgspec.Struct):
    id: str
    bytes: int = 0
    created_at: int = -1
    filename: str = ""
    purpose: str = ""
    expires_at: int | None = None


_decode = msgspec.json.Decoder(_FileObject).decode


def is_file_id(text: str) -> bool:
    """Tell whether it can be the id of a file, and so a part of a path."""
    return _ID.fullmatch(text) is not None


def check_upload(body: bytes, content_type: bytes) -> None:
    """Pass when a form is one that sends a single file for a purpose; what else it holds is the provider's to judge.

    Raises:
        UnsupportedContentType: it is no form.
        InvalidRequest: it cannot be read, or something is missing or there twice.
    """
    if not is_form(content_type):
        raise UnsupportedContentType("The content type must be multipart/form-data.")
    form = read_form(body, content_type)
    if [file.name for file in form.files] != ["file"]:
        raise InvalidRequest("One file must be sent, as 'file'.", param="file")
    if len(form.fields.get("purpose", ())) != 1:
        raise InvalidRequest("'purpose' must be stated, once.", param="purpose")


def read_question(query: bytes, organization_id: str, project_id: str) -> FileQuestion:
    """Read the query of a list.

    Raises:
        InvalidRequest: it cannot be read; `param` names what is wrong.
    """
    try:
        stated = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise InvalidRequest("The query cannot be read.") from None
    given = {name: values[-1] for name, values in stated.items()}
    limit = given.get("limit", str(LISTED_MAX))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 5 and 1 <= int(limit) <= LISTED_MAX):
        raise InvalidRequest(f"'limit' must be a whole number from 1 to {LISTED_MAX}.", param="limit")
    order = given.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise InvalidRequest("'order' must be 'asc' or 'desc'.", param="order")
    purpose, after = given.get("purpose", ""), given.get("after", "")
    if len(purpose) > _PURPOSE_LENGTH_MAX or not (purpose.isascii() and purpose.isprintable()):
        raise InvalidRequest("'purpose' is none.", param="purpose")
    if after and not is_file_id(after):
        raise unknown_after()
    return FileQuestion(organization_id, project_id, purpose, after, int(limit), order == "asc")


def unknown_after() -> InvalidRequest:
    return InvalidRequest("'after' must be the id of a file in the list.", param="after")


def described(file: ProviderFile) -> dict[str, Any]:
    """Return a file as OpenAI describes it."""
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": file.bytes,
        "created_at": file.created_at_us // _SECOND_US,
        "expires_at": None if file.expires_at_us is None else file.expires_at_us // _SECOND_US,
        "status": "processed",
        "status_details": None,
    }


def listed(files: Sequence[ProviderFile], *, has_more: bool) -> bytes:
    """Return the answer to a list."""
    first, last = (files[0].id, files[-1].id) if files else (None, None)
    data = [described(file) for file in files]
    return _encode({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more})


def read_created(body: bytes, *, owner: tuple[str, str], provider: tuple[str, str], now_us: int) -> ProviderFile | None:
    """Return the file that a provider's answer describes; None when it describes none. `owner` is organization and project,
    `provider` its name and credential.
    """
    try:
        made = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not is_file_id(made.id):
        return None
    created_us = made.created_at * _SECOND_US if 0 <= made.created_at <= _SECONDS_MAX else now_us
    expires_us = None
    if made.expires_at is not None and 0 < made.expires_at <= _SECONDS_MAX:
        expires_us = made.expires_at * _SECOND_US
    size = min(max(made.bytes, 0), _INT64_MAX)
    return ProviderFile(*owner, made.id, *provider, made.purpose, size, made.filename, created_us, expires_us)
