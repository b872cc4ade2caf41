"""Checks how contents follow each other: calls of functions, their responses, and the signatures that must come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.gemini import fields
from tollkeeper_simulator.gemini.errors import refuse
from tollkeeper_simulator.gemini.signatures import is_genuine

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.gemini.catalogue import Model

DATA = (
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
    "toolCall", "toolResponse",
)  # fmt: skip
PART = frozenset({*DATA, "thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"})
_CALL = frozenset({"id", "name", "args", "partialArgs", "willContinue"})
_RESPONSE = frozenset({"id", "name", "response", "parts", "willContinue", "scheduling"})


def check(contents: list[Json], model: Model) -> None:
    """Refuse what Google refuses. Raises RefusedError."""
    called = 0
    before = ""
    for place, content in enumerate(contents):
        calls, responses = _parts(content, "functionCall"), _parts(content, "functionResponse")
        _check_calls(calls, responses, f"contents[{place}]")
        if responses and len(responses) != called:
            message = (
                "Please ensure that the number of function response parts is equal to the number of function call parts of "
                "the function call turn."
            )
            raise refuse(message)
        if calls and before not in {"user", "response"}:
            message = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
            raise refuse(message)
        called = len(calls)
        before = "response" if responses else str(content.get("role", "user"))
    if model.is_newer:
        _check_signatures(contents)


def _check_signatures(contents: list[Json]) -> None:
    """Each step of the current turn must still have the signature of its first call; earlier turns need none."""
    starts = [place for place, content in enumerate(contents) if _begins_turn(content)]
    for place in range(starts[-1] if starts else 0, len(contents)):
        calls = _parts(contents[place], "functionCall")
        if not calls:
            continue
        signature = calls[0].get("thoughtSignature")
        name = fields.mapping(calls[0]["functionCall"], "function_call").get("name")
        if signature is None:
            message = (
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
                "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
                f"call `default_api:{name}` , position {place + 1}. Please refer to "
                "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
            )
            raise refuse(message)
        if not is_genuine(signature):
            message = "Corrupted thought signature."
            raise refuse(message)


def _begins_turn(content: Json) -> bool:
    return content.get("role", "user") == "user" and not _parts(content, "functionResponse")


def _parts(content: Json, kind: str) -> list[Json]:
    parts = fields.items(content.get("parts"), "parts")
    return [part for part in parts if isinstance(part, dict) and kind in part]


def _check_calls(calls: list[Json], responses: list[Json], where: str) -> None:
    for kind, parts, known in (("functionCall", calls, _CALL), ("functionResponse", responses, _RESPONSE)):
        for part in parts:
            _check_named(part[kind], f"{where}.{kind}", known)


def _check_named(given: Any, where: str, known: frozenset[str]) -> None:
    entry = fields.mapping(given, where)
    fields.known_only(entry, known, where)
    if not entry.get("name"):
        message = f"* GenerateContentRequest.{where}.name: Name cannot be empty.\n"
        raise refuse(message)
    for name in ("args", "response"):
        if name in entry and not isinstance(entry[name], dict):
            message = f"Invalid value at '{where}.{name}' (type.googleapis.com/google.protobuf.Struct), {entry[name]!r}"
            raise refuse(message, f"{where}.{name}")
