"""What a response looks like: its output items, its usage, and the events of its stream.

Shapes: `openai` type stubs (types/responses, 2026-11); xAI's usage: docs.x.ai/developers/cost-tracking, read 2026-11-21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Event
from tollkeeper_simulator.portions import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tollkeeper_simulator.bill import Usage
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.openai.reply import Reply

_encode = msgspec.json.Encoder().encode
ERROR_EVENT = (
    b'event: error\ndata: {"type":"error","code":"server_error","message":"The server had an error while processing your '
    b'request. Sorry about that!","param":null,"sequence_number":99}\n\n'
)


def usage_shown(usage: Usage, *, cost_ticks: int | None) -> Json:
    """Return the `usage` of a response; with a cost, xAI's."""
    written = usage.cache_write_tokens + usage.cache_write_12h_tokens
    details: Json = {"cached_tokens": usage.cached_tokens, "cache_write_tokens": written}
    if written:
        details["cache_write_tokens_details"] = {
            "ttl_30m_tokens": usage.cache_write_tokens,
            "ttl_12h_tokens": usage.cache_write_12h_tokens,
        }
    shown: Json = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": details,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if cost_ticks is not None:
        shown |= {"num_sources_used": usage.web_searches, "num_server_side_tools_used": usage.web_searches}
        shown["cost_in_usd_ticks"] = cost_ticks
    return shown


def output_items(said: Reply, hosted: tuple[str, ...]) -> list[Json]:
    """Return the items of an output: tools of the provider's own, thoughts, and what is said or called."""
    items = [_hosted(kind, number) for number, kind in enumerate(hosted)]
    if said.reasoning_tokens:
        items.append({"id": clock.object_id("rs_"), "type": "reasoning", "summary": []})
    if said.tool_name is not None:
        call = {"call_id": clock.object_id("call_"), "name": said.tool_name, "arguments": said.text}
        items.append({"id": clock.object_id("fc_"), "type": "function_call", "status": "completed", **call})
        return items
    content = [{"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}]
    status = "incomplete" if said.finish == "length" else "completed"
    message = {"type": "message", "status": status, "role": "assistant", "content": content}
    items.append({"id": clock.object_id("msg_"), **message})
    return items


def _hosted(kind: str, number: int) -> Json:
    if kind == "web_search_call":
        action = {"type": "search", "query": "toll", "queries": ["toll"], "sources": []}
        return {"id": clock.object_id("ws_"), "type": kind, "status": "completed", "action": action}
    if kind == "file_search_call":
        return {"id": clock.object_id("fs_"), "type": kind, "status": "completed", "queries": ["toll"], "results": None}
    code = {"code": f"print({number})", "container_id": "cntr_simulator", "outputs": None}
    return {"id": clock.object_id("ci_"), "type": kind, "status": "completed", **code}


def events(response: Json, said: Reply) -> Iterator[Event]:
    """Yield the events that a response is told by; `response` is the whole one."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    begun["incomplete_details"] = None
    yield _event(0, "response.created", response=begun)
    yield _event(1, "response.in_progress", response=begun)
    number = 2
    for place, item in enumerate(response["output"]):
        reasoning = said.reasoning_tokens if item["type"] == "reasoning" else 0
        if item["type"] in {"message", "function_call"}:
            for each in _told(item, said, place):
                yield _numbered(number, each)
                number += 1
            continue
        for kind in ("response.output_item.added", "response.output_item.done"):
            tokens = reasoning if kind.endswith("added") else 0
            yield _event(number, kind, tokens, reasoning=tokens, output_index=place, item=item)
            number += 1
    kind = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
    yield _event(number, kind, response=response, tells_usage=response["usage"] is not None)


def _told(item: Json, said: Reply, place: int) -> Iterator[tuple[str, int, Json]]:
    where = {"item_id": item["id"], "output_index": place}
    if item["type"] == "function_call":
        begun = {**item, "arguments": "", "status": "in_progress"}
        yield "response.output_item.added", said.name_tokens, {"output_index": place, "item": begun}
        for words, size in grouped(said.pieces):
            yield "response.function_call_arguments.delta", size, {**where, "delta": words}
        done = {**where, "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", 0, done
    else:
        part = {"type": "output_text", "text": "", "annotations": []}
        begun = {**item, "content": [], "status": "in_progress"}
        at = {**where, "content_index": 0}
        yield "response.output_item.added", 0, {"output_index": place, "item": begun}
        yield "response.content_part.added", 0, {**at, "part": part}
        for words, size in grouped(said.pieces):
            yield "response.output_text.delta", size, {**at, "delta": words, "logprobs": []}
        yield "response.output_text.done", 0, {**at, "text": said.text, "logprobs": []}
        yield "response.content_part.done", 0, {**at, "part": item["content"][0]}
    yield "response.output_item.done", 0, {"output_index": place, "item": item}


def _numbered(number: int, told: tuple[str, int, Json]) -> Event:
    kind, tokens, shown = told
    return _event(number, kind, tokens, **shown)


def _event(
    number: int,
    kind: str,
    output_tokens: int = 0,
    *,
    reasoning: int = 0,
    tells_usage: bool = False,
    **shown: object,
) -> Event:
    data = _encode({"type": kind, "sequence_number": number, **shown})
    event = b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
    return Event(event, output_tokens, reasoning, tells_usage=tells_usage)
