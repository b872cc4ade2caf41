"""The contents of a request to Gemini as they are put together: turns, parts, calls and their results."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject
from tollkeeper.gateway.wire.gemini_target.models import takes_media_in_results
from tollkeeper.gateway.wire.gemini_target.signatures import UNSIGNED, needs_signature, split_id
from tollkeeper.gateway.wire.translation_reading import as_text, refused

Role = Literal["user", "model"]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.=+-]+)*;base64,")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
_MEDIA_TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain",
}  # fmt: skip
URL_LENGTH_MAX = 8192


class Contents:
    """The turns of a conversation, in order; neighbours of one role are one turn, as Gemini likes it.

    `model` is the provider's name for the model: what parts are allowed depends on it.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._turns: list[JsonObject] = []
        self._names: dict[str, tuple[str, str]] = {}

    @property
    def is_empty(self) -> bool:
        return not self._turns

    def add(self, role: Role, parts: list[JsonObject]) -> None:
        """Add parts to the conversation; no parts are no turn."""
        if not parts:
            return
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["parts"].extend(parts)
        else:
            self._turns.append({"role": role, "parts": parts})

    def call(self, name: str, arguments: JsonObject, *, shown_id: str | None, signature: str | None) -> JsonObject:
        """Return the part of a function call; `shown_id` is what its result will name, None if it has a name alone."""
        function: JsonObject = {"name": name, "args": arguments}
        if shown_id is not None:
            call_id, carried = split_id(shown_id)
            self._names[shown_id] = (name, call_id)
            function, signature = {"id": call_id, **function}, signature or carried
        part: JsonObject = {"functionCall": function}
        if signature:
            part["thoughtSignature"] = signature
        return part

    def result(
        self, shown_id: str, output: str, *, media: list[JsonObject], where: str, is_error: bool = False
    ) -> list[JsonObject]:
        """Return the parts of a function's result, for the call of that id.

        Raises:
            InvalidRequest: no call before it has that id; `where` is the place of the id.
        """
        if shown_id not in self._names:
            raise refused("names no tool call of an earlier message.", where)
        name, call_id = self._names[shown_id]
        return self.named_result(name, output, call_id=call_id, media=media, is_error=is_error)

    def named_result(
        self, name: str, output: str, *, call_id: str | None = None, media: list[JsonObject], is_error: bool = False
    ) -> list[JsonObject]:
        """Return the parts of a function's result. `output` and `error` are the names that Gemini knows."""
        response: JsonObject = {"name": name, "response": {"error" if is_error else "output": output}}
        if call_id is not None:
            response = {"id": call_id, **response}
        inside = [part for part in media if "inlineData" in part] if takes_media_in_results(self._model) else []
        if inside:
            response["parts"] = inside
        return [{"functionResponse": response}, *(part for part in media if part not in inside)]

    def finished(self, where: str) -> list[JsonObject]:
        """Return the contents.

        Raises:
            InvalidRequest: there is nothing in them.
        """
        if not self._turns:
            raise refused("must say something: Gemini models answer no empty conversation.", where)
        if needs_signature(self._model):
            for turn in self._turns:
                _sign_first_call(turn)
        return self._turns


def text_parts(text: str) -> list[JsonObject]:
    """Return the part of a text; an empty one is none, since Gemini refuses it."""
    return [{"text": text}] if text else []


def inline_part(media_type: Any, data: Any, where: str) -> JsonObject:
    """Return the part of an image or a document that the request itself holds, in base64.

    Raises:
        InvalidRequest: it is none.
    """
    kind = as_text(media_type, f"{where}.media_type")
    if _MEDIA_TYPE.fullmatch(kind) is None:
        raise refused("must be a media type such as image/png.", f"{where}.media_type")
    return {"inlineData": {"mimeType": kind, "data": as_text(data, f"{where}.data")}}


def url_part(url: Any, where: str, *, kind: str | None = None) -> JsonObject:
    """Return the part of what a URL names: its own data, or what Gemini is to fetch. `kind` is its media type.

    Raises:
        InvalidRequest: it is no such URL. Files that were uploaded to Google are refused: whose they are is not known.
    """
    text = as_text(url, where)
    if text.startswith("data:"):
        found = _DATA_URL.match(text)
        if found is None:
            raise refused("must be a data URL of the form data:<media type>;base64,<data>.", where)
        return {"inlineData": {"mimeType": found[1], "data": text[found.end() :]}}
    try:
        host = (urlsplit(text).hostname or "").rstrip(".") if len(text) <= URL_LENGTH_MAX else ""
    except ValueError:
        host = ""
    if not text.startswith(("https://", "http://")) or not host:
        raise refused("must be an https or a data URL.", where)
    if host.endswith("generativelanguage.googleapis.com"):
        raise refused("must not name a file that was uploaded to Google.", where)
    guessed = kind or _MEDIA_TYPES.get(urlsplit(text).path.rpartition(".")[2].lower())
    return {"fileData": {"fileUri": text} if guessed is None else {"mimeType": guessed, "fileUri": text}}


def call_arguments(text: str) -> JsonObject:
    """Return the arguments of a call from their text; what is no JSON object is kept as a text under `arguments`."""
    if not text.strip():
        return {}
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"arguments": text}


def _sign_first_call(turn: JsonObject) -> None:
    """Sign the first call of a step if nothing else did: parallel calls share the signature of the first."""
    if turn["role"] != "model":
        return
    for part in turn["parts"]:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", UNSIGNED)
            return
