"""OpenAI's Responses, answers: the usage that a response states, the tools that it used, and its id. Pure.

Wire shapes: `openai` 3.51 type stubs (types/responses/response.py and response_usage.py, 2026-11); what xAI adds: docs.x.ai/
developers/cost-tracking, read 2026-11-21.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.answers import Stated
from tollkeeper.gateway.wire.openai_answer import Tokens
from tollkeeper.gateway.wire.reported_cost import CostFields, copy_cost, reported_nanos, without_cost
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX, collect_texts, items_of, printable

_NOT_OUTPUT = frozenset(
    {"role", "id", "type", "index", "status", "call_id", "annotations", "logprobs", "encrypted_content"}
)
_UNDER_WAY = frozenset({"queued", "in_progress"})
_CALLS = {"file_search_call": "file_search", "image_generation_call": "image_generation"}
"""Items that are a fee each -> how it is counted. A picture's tokens are the picture model's: their price is not known here."""


_OWN_CONTAINERS = frozenset({"auto", "container_auto"})
_SESSIONS = {"1g": "code_session", **{each: f"code_session:{each}" for each in ("4g", "16g", "64g")}}


class WriteDetails(msgspec.Struct):
    ttl_12h_tokens: Tokens | None = None


class InputDetails(msgspec.Struct):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    cache_write_tokens_details: WriteDetails | None = None
    audio_tokens: Tokens | None = None
    image_tokens: Tokens | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None


class WireUsage(CostFields, kw_only=True):
    """`usage` of a response."""

    input_tokens: Tokens
    output_tokens: Tokens = 0
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class WebSearchUsage(msgspec.Struct):
    num_requests: Tokens | None = None


class ToolUsage(msgspec.Struct):
    web_search: WebSearchUsage | None = None


class WireResponse(msgspec.Struct):
    """A response, as far as it is metered."""

    id: str = ""
    model: str = ""
    status: str | None = None
    service_tier: str | None = None
    previous_response_id: str | None = None
    usage: WireUsage | None = None
    tool_usage: ToolUsage | None = None
    output: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None


class StatedResponse(Stated, kw_only=True):
    """What a response states; `is_under_way` says that it has not come to its end."""

    response_id: str = ""
    previous_id: str = ""
    is_under_way: bool = False


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw()
    delta: Any = None


_decode_response = msgspec.json.Decoder(WireResponse).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def read_answer(body: bytes) -> StatedResponse:
    """Read a whole answer that is no error, whatever it holds."""
    response = parse_response(body)
    if response is None:
        return StatedResponse("", None, [body.decode("utf-8", "replace")])
    return stated_of(response)


def stated_of(response: WireResponse) -> StatedResponse:
    """Return what a response states."""
    stated = StatedResponse(
        response.model,
        None,
        [],
        response_id=response.id,
        previous_id=response.previous_response_id or "",
        is_under_way=response.status in _UNDER_WAY,
    )
    if response.usage is not None:
        stated.usage = usage_of(response)
    else:
        collect_texts(response.output, stated.texts, skip=_NOT_OUTPUT)
    return stated


def parse_response(data: bytes | msgspec.Raw) -> WireResponse | None:
    """Read a response; None when it is no JSON object."""
    try:
        return _decode_response(data)
    except msgspec.ValidationError:
        return _salvage(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def response_in(data: bytes) -> tuple[str, WireResponse | None]:
    """Return the type of a stream's event, "" when it has none, and the response that stands in it, if one does."""
    try:
        event = _decode_event(data)
    except (msgspec.DecodeError, RecursionError):
        return "", None
    return event.type, parse_response(event.response) if event.response else None


def delta_texts(data: bytes) -> list[str]:
    """Return the text that a stream's event adds to the output."""
    try:
        event = _decode_event(data)
    except (msgspec.DecodeError, RecursionError):
        return []
    return [event.delta] if event.type.endswith(".delta") and isinstance(event.delta, str) else []


def usage_of(response: WireResponse) -> Usage:
    """Bring a response's usage into disjoint classes, with the uses of tools that are a fee each.

    Input tokens include cached, written, audio and image tokens; what was written for 12 hours is a part of what was written
    (developers.openai.com/api/docs/guides/prompt-caching). Output tokens include reasoning, at xAI too.
    """
    wire = response.usage
    assert wire is not None, "only a response that states its usage has one"
    quantities: dict[str, int] = {"input": wire.input_tokens}
    inputs = wire.input_tokens_details
    if inputs is not None:
        written = inputs.cache_write_tokens or 0
        details = inputs.cache_write_tokens_details
        for_12h = min(written, (details.ttl_12h_tokens or 0) if details is not None else 0)
        _split(
            quantities,
            "input",
            ("cache_read", inputs.cached_tokens),
            ("cache_write_12h", for_12h),
            ("cache_write_30m", written - for_12h),
            ("input_audio", inputs.audio_tokens),
            ("input_image", inputs.image_tokens),
        )
    quantities["output"] = wire.output_tokens
    reasoning = 0
    if wire.output_tokens_details is not None:
        reasoning = wire.output_tokens_details.reasoning_tokens or 0
        _split(quantities, "output", ("output_audio", wire.output_tokens_details.audio_tokens))
    quantities.update(_tools_used(response))
    tier = response.service_tier
    shown = printable(tier, SERVICE_TIER_LENGTH_MAX) if tier else None
    return Usage(quantities, reasoning, shown, reported_nanos=reported_nanos(wire))


def _split(quantities: dict[str, int], whole: str, *parts: tuple[str, int | None]) -> None:
    """Take parts out of a whole; a part is never more than what is left of it."""
    for name, stated in parts:
        if stated:
            quantities[name] = count = min(stated, quantities[whole])
            quantities[whole] -= count


def _tools_used(response: WireResponse) -> dict[str, int]:
    """Return how often tools were used that are a fee each.

    Of searches the provider's own count is the one that it bills (`tool_usage`); without it, those that searched and did not
    only open a page. A container is one session however often code ran in it; see `session_of`.
    """
    used: dict[str, int] = {}
    searches = 0
    containers: dict[str, str] = {}  # by id, the kind of tool that ran there
    for item in response.output or ():
        kind = item.get("type")
        if kind == "web_search_call":
            action = item.get("action")
            did = action.get("type") if isinstance(action, dict) else None
            searches += not isinstance(did, str) or did == "search"
        elif kind == "code_interpreter_call":
            containers[str(item.get("container_id"))] = "code_interpreter"
        elif kind == "shell_call" and isinstance(place := item.get("environment"), dict) and "container_id" in place:
            containers[str(place["container_id"])] = "shell"
        elif isinstance(kind, str) and kind in _CALLS:
            used[_CALLS[kind]] = used.get(_CALLS[kind], 0) + 1
    tools = response.tool_usage
    billed = tools.web_search.num_requests if tools is not None and tools.web_search is not None else None
    if billed is not None:
        searches = billed
    if searches:
        used["web_search"] = searches
    sessions = {str(tool.get("type")): session_of(tool) for tool in response.tools or ()}
    for kind in containers.values():
        name = sessions.get(kind, "code_session")
        used[name] = used.get(name, 0) + 1
    return used


def session_of(tool: dict[str, Any]) -> str:
    """Return how a session of a tool that runs code is counted: by its container's memory, of which 1 GB is the least.

    Of a container that is named by its id, or of any other kind, nobody knows here how large it is, so that it has no price
    (developers.openai.com/api/docs/pricing, read 2026-11-22).
    """
    place = tool.get("container", tool.get("environment"))
    if place is None:
        return "code_session"
    kind = place.get("type") if isinstance(place, dict) else None
    if not isinstance(kind, str) or kind not in _OWN_CONTAINERS:
        return "container"
    memory = place.get("memory_limit")
    if memory is None:
        return "code_session"
    return _SESSIONS.get(memory, "container") if isinstance(memory, str) else "container"


def _salvage(data: bytes | msgspec.Raw) -> WireResponse | None:
    """Read what can be read of a response that has other types than OpenAI's: its usage and its id above all."""
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    stated = fields.get("usage")
    try:
        usage = msgspec.convert(without_cost(stated), WireUsage | None, strict=False)
    except msgspec.ValidationError:
        usage = None
    if usage is not None:
        copy_cost(stated, usage)
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    return WireResponse(
        id=texts.get("id", ""),
        model=texts.get("model", ""),
        status=texts.get("status"),
        service_tier=texts.get("service_tier"),
        previous_response_id=texts.get("previous_response_id"),
        usage=usage,
        output=[item for item in items_of(fields.get("output")) if isinstance(item, dict)],
        tools=[tool for tool in items_of(fields.get("tools")) if isinstance(tool, dict)],
    )
