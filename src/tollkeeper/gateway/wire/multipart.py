"""Reading a `multipart/form-data` body from outside, just enough: its fields, and where its files lie. Pure.

Form: RFC 7578, RFC 2046 §5.1. What parsers read differently is refused: a name that stands twice in one part or that is
given in another way, an encoding of a part, a header that is folded or broken otherwise, text before the first part.
"""

from __future__ import annotations

import re

import msgspec

from tollkeeper.domain.errors import InvalidRequest

PARTS_MAX = 128
HEAD_BYTES_MAX = 4_096
FIELD_BYTES_MAX = 256 * 1024
_BOUNDARY = re.compile(
    rb'^multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)', re.IGNORECASE
)
_NAME = re.compile(rb';\s*name="([^"\\\r\n]*)"', re.IGNORECASE)
_BLANKS = (b" ", b"\t")
_FILE_NAME = re.compile(rb";\s*filename\*?\d*\*?\s*=", re.IGNORECASE)
_ANY_NAME = re.compile(rb";\s*name\*?\d*\*?\s*=", re.IGNORECASE)


class Field(msgspec.Struct, frozen=True):
    """A field's text, and where it stands in the body."""

    text: str
    start: int
    end: int


class File(msgspec.Struct, frozen=True):
    """A file under the name of its field: where it lies in the body."""

    name: str
    start: int
    end: int


class Form(msgspec.Struct, frozen=True):
    """A form; of a name that stands more than once, `fields` has every text in order."""

    fields: dict[str, list[Field]]
    files: list[File]


def is_form(content_type: bytes) -> bool:
    return content_type[:19].lower() == b"multipart/form-data"


def read_form(body: bytes, content_type: bytes) -> Form:
    """Read a form.

    Raises:
        InvalidRequest: it is none, it has too much of something, or parsers would read it differently.
    """
    delimiter = b"--" + _boundary(content_type)
    if not body.startswith(delimiter):
        raise InvalidRequest("The body does not begin with the boundary that its content type names.")
    fields: dict[str, list[Field]] = {}
    files: list[File] = []
    place = len(delimiter)
    for count in range(PARTS_MAX):
        if body.startswith(b"--", place):
            if body.count(delimiter) != count + 1:  # behind another line's end, where some parsers would begin a part
                raise InvalidRequest("The boundary stands in the body where no part begins.")
            return Form(fields, files)
        if not body.startswith(b"\r\n", place):
            raise InvalidRequest("A boundary in the body is not followed by a line's end.")
        head_end = body.find(b"\r\n\r\n", place, place + HEAD_BYTES_MAX)
        end = body.find(b"\r\n" + delimiter, max(head_end, place))
        if head_end < 0 or end < head_end + 2:
            raise InvalidRequest("The form in the body is cut short.")
        name, is_file = _head(body[place:head_end])
        start = head_end + 4
        if is_file:
            files.append(File(name, start, max(start, end)))
        else:
            fields.setdefault(name, []).append(_field(name, body, start, max(start, end)))
        place = end + 2 + len(delimiter)
    raise InvalidRequest(f"The form in the body has more than {PARTS_MAX} parts.")


def _boundary(content_type: bytes) -> bytes:
    found = _BOUNDARY.match(content_type)
    if found is None or content_type.lower().count(b"boundary=") > 1:
        raise InvalidRequest("The content type names no boundary of its form.")
    return found[1] or found[2]


def _head(head: bytes) -> tuple[str, bool]:
    """Return the name of a part, and whether it is a file."""
    disposition: bytes | None = None
    for line in head.split(b"\r\n"):
        if line[:1] in _BLANKS or b"\n" in line or b"\r" in line:
            raise InvalidRequest("A header in the form is broken over lines.")
        title, _, value = line.partition(b":")
        title = title.strip().lower()
        if title == b"content-disposition":
            if disposition is not None:
                raise InvalidRequest("A part of the form is described twice.")
            disposition = value
        elif title == b"content-transfer-encoding":
            raise InvalidRequest("A part of the form is encoded; send it as it is.")
    named = _NAME.findall(disposition or b"")
    if disposition is None or len(named) != 1 or len(_ANY_NAME.findall(disposition)) != 1:
        raise InvalidRequest("A part of the form has no name, or more than one.")
    try:
        name = named[0].decode()
    except UnicodeDecodeError:
        raise InvalidRequest("A name in the form is not UTF-8.") from None
    return name, _FILE_NAME.search(disposition) is not None


def _field(name: str, body: bytes, start: int, end: int) -> Field:
    if end - start > FIELD_BYTES_MAX:
        raise InvalidRequest(f"'{name[:64]}' has more than {FIELD_BYTES_MAX} bytes.", param=name[:64])
    try:
        return Field(body[start:end].decode(), start, end)
    except UnicodeDecodeError:
        raise InvalidRequest(f"'{name[:64]}' is not UTF-8.", param=name[:64]) from None
