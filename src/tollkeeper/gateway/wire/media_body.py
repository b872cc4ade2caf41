"""The OpenAI dialect, requests for moderations, images and audio: the fields that a call is decided by. Pure.

Such a body is JSON, or a form with files in it. Fields that are not named here pass through untouched.
Wire shapes: `openai` 3.51 type stubs (types/image_*_params.py, types/audio, types/moderation_create_params.py, 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX
from tollkeeper.gateway.wire.decisive_names import DecisiveNames
from tollkeeper.gateway.wire.json_body import checked, named
from tollkeeper.gateway.wire.multipart import Field, File, is_form, read_form
from tollkeeper.gateway.wire.openai_names import ROUTING_NAMES, check_routing

MediaOperation = Literal[
    "moderations", "images.generations", "images.edits", "images.variations", "audio.speech", "audio.transcriptions",
    "audio.translations",
]  # fmt: skip
FORM_OPERATIONS: frozenset[MediaOperation] = frozenset(
    {"images.edits", "images.variations", "audio.transcriptions", "audio.translations"}
)
_OF_SOUND: frozenset[MediaOperation] = frozenset({"audio.transcriptions", "audio.translations"})
_NAMES_OF_FILES = frozenset({"file", "image", "image[]", "mask"})
_ONLY_FORMS = FORM_OPERATIONS - {"images.edits"}
MODEL_UNSTATED = {"moderations": "omni-moderation-latest"}
"""What a call without a model is served by (developers.openai.com/api/reference, moderations, read 2026-11-22). Of images
nothing is assumed: which model they have changes with the other fields."""

PARTIAL_IMAGES_MAX = 3  # developers.openai.com/api/reference, images, read 2026-11-22
_WORD_LENGTH_MAX = 64
_ABSENT = msgspec.Raw()
Word = Annotated[str, msgspec.Meta(max_length=_WORD_LENGTH_MAX)]
_NAMES = DecisiveNames(
    {
        *ROUTING_NAMES, "model", "stream", "stream_format", "n", "size", "quality", "partial_images", "response_format",
        "input", "prompt", "svg", "extra_body",
    },
    uncounted=("prompt",),
)  # fmt: skip


class MediaBody(msgspec.Struct):
    """What a call is decided by."""

    model: Annotated[str, msgspec.Meta(max_length=MODEL_NAME_LENGTH_MAX)] | None = None
    stream: bool | None = None
    stream_format: Word | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    size: Word | None = None
    quality: Word | None = None
    partial_images: Annotated[int, msgspec.Meta(ge=0, le=PARTIAL_IMAGES_MAX)] | None = None
    response_format: Word | None = None
    user: str | None = None
    input: msgspec.Raw = _ABSENT
    prompt: str | None = None
    instructions: str | None = None
    svg: msgspec.Raw = _ABSENT


class Read(msgspec.Struct, frozen=True):
    """A body that was read: `model` is where its model stands, if it does, in a form; `files` are a form's."""

    fields: MediaBody
    is_ambiguous: bool = False
    model: Field | None = None
    files: list[File] = []


_decode = msgspec.json.Decoder(MediaBody).decode


def read_body(operation: MediaOperation, body: bytes, content_type: bytes) -> Read:
    """Read a body.

    Raises:
        InvalidRequest: it cannot be read, or a field has a wrong type; `param` names the field.
    """
    if operation in FORM_OPERATIONS and is_form(content_type):
        read = _read_form(body, content_type)
        if operation in _OF_SOUND and not read.files:
            raise InvalidRequest("Missing required parameter: 'file'.", param="file")
    elif operation in _ONLY_FORMS:
        raise InvalidRequest("The content type must be multipart/form-data.")
    else:
        read = _read_json(body)
    fields = read.fields
    if operation == "audio.speech" and bytes(memoryview(fields.input)[:1]) != b'"':
        raise InvalidRequest("'input' must be a text.", param="input")
    if not fields.model:
        fields.model = MODEL_UNSTATED.get(operation, "")
    if not fields.model:
        raise InvalidRequest("Missing required parameter: 'model'.", param="model")
    if not fields.model.isprintable():
        raise InvalidRequest("'model' must consist of printable characters.", param="model")
    return read


def _read_json(body: bytes) -> Read:
    fields, members = checked(body, lambda read: (_decode(read), _NAMES.read(read)))
    check_routing(members)
    return Read(fields, _NAMES.is_ambiguous(body, _NAMES.quoted(members)))


def _read_form(body: bytes, content_type: bytes) -> Read:
    form = read_form(body, content_type)
    _NAMES.check_spelling([*form.fields, *(each.name for each in form.files)])
    given: dict[str, Any] = {}
    for name, found in form.fields.items():
        if name in _NAMES_OF_FILES and any(each.text for each in found):
            raise InvalidRequest(f"'{name}' must be a file and no text.", param=name)
        if name not in _NAMES.names:
            continue
        if name in ROUTING_NAMES or name == "extra_body":
            raise InvalidRequest(f"'{name}' is not taken in a form.", param=name)
        if len(found) > 1:
            raise InvalidRequest(f"'{name}' stands twice in the body.", param=name)
        given[name] = found[0].text
    for each in form.files:
        if each.name in _NAMES.names:
            raise InvalidRequest(f"'{each.name}' must be a text and no file.", param=each.name)
    return Read(_converted(given), model=form.fields["model"][0] if "model" in form.fields else None, files=form.files)


def _converted(given: Mapping[str, Any]) -> MediaBody:
    svg = given.get("svg")
    plain = {name: value for name, value in given.items() if name != "svg" and value != ""}
    try:
        fields = msgspec.convert(plain, MediaBody, strict=False)
    except msgspec.ValidationError as error:
        raise named(error) from None
    if svg is not None:
        fields.svg = msgspec.Raw(b"{}")
    return fields
