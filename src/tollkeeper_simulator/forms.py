"""Reads a `multipart/form-data` body with the standard library's parser of messages: texts by name, and files as bytes."""

from __future__ import annotations

from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import EmailMessage, MIMEPart

    from tollkeeper_simulator.dialect import Json


def read_form(body: bytes, content_type: str) -> Json:
    """Return the fields of a form: a text, or a list of them where a name repeats; files are bytes. ValueError when it is none."""
    message = _parsed(body, content_type)
    fields: Json = {}
    for part in message.iter_parts():
        name = _name(part)
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes), "a part of a form has no parts of its own"
        value = payload if part.get_filename() is not None else payload.decode()
        fields[name] = value if name not in fields else [*_listed(fields[name]), value]
    return fields


def file_names(body: bytes, content_type: str) -> dict[str, str]:
    """Return what the files of a form are called, by the name of their field. ValueError when it is none."""
    parts = list(_parsed(body, content_type).iter_parts())
    return {_name(part): called for part in parts if (called := part.get_filename()) is not None}


def _parsed(body: bytes, content_type: str) -> EmailMessage:
    head = f"content-type: {content_type}\r\nmime-version: 1.0\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    if not message.is_multipart():
        msg = "not a form"
        raise ValueError(msg)
    return message


def _name(part: MIMEPart) -> str:
    return str(part.get_param("name", "", header="content-disposition")).removesuffix("[]")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
