"""A request to Responses, checked, and said as the chat request that means the same: one model answers both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.openai import chat_request, fields
from tollkeeper_simulator.openai.errors import refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.openai.chat_request import ChatRequest

_KNOWN = frozenset({
    "background", "context_management", "conversation", "include", "input", "instructions", "max_output_tokens",
    "max_tool_calls", "metadata", "model", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store", "stream",
    "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip
_OUTPUT_TOKENS_MIN = 16
_HOSTED = {
    "web_search": "web_search_call",
    "web_search_preview": "web_search_call",
    "file_search": "file_search_call",
    "code_interpreter": "code_interpreter_call",
}
_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "text"}


@dataclass(frozen=True, slots=True)
class ResponsesRequest:
    """What was asked: `chat` is the same as a chat request, `hosted` the items of the provider's own tools that are used.

    `input_items` are what was sent in this request, `history` the messages of the earlier responses.
    """

    chat: ChatRequest
    background: bool
    store: bool
    hosted: tuple[str, ...]
    input_items: list[Json]
    previous: str | None
    messages: list[Json]


def user_text(body: Json) -> str:
    """Return the text of the last message of the user, or nothing; never raises."""
    given = body.get("input")
    if isinstance(given, str):
        return given
    for item in reversed(given if isinstance(given, list) else []):
        if isinstance(item, dict) and item.get("role") == "user":
            content = item.get("content")
            if isinstance(content, str):
                return content
            parts = content if isinstance(content, list) else []
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def read(body: Json, plan: FaultPlan, history: list[Json]) -> ResponsesRequest:
    """Check a body; `history` is what was said in the response that it goes on from. Raises RefusedError."""
    fields.known_only(body, _KNOWN)
    limit = fields.integer(body, "max_output_tokens", _OUTPUT_TOKENS_MIN)
    fields.integer(body, "max_tool_calls", 1)
    items = _items(body)
    messages = [*history, *(message for item in items for message in _message(item))]
    instructions = body.get("instructions")
    before: list[Json] = [{"role": "system", "content": instructions}] if isinstance(instructions, str) else []
    functions, hosted = _tools(body.get("tools"), plan)
    chat: Json = {"model": fields.model_name(body), "messages": [*before, *messages], "stream": body.get("stream")}
    if limit is not None:
        chat["max_completion_tokens"] = limit
    if functions:
        chat["tools"] = functions
        chat["tool_choice"] = _choice(body.get("tool_choice"))
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None:
        chat["reasoning_effort"] = effort
    if (form := (body.get("text") or {}).get("format")) is not None:
        chat["response_format"] = {**form, "json_schema": form} if form.get("type") == "json_schema" else form
    for name in ("service_tier", "temperature", "top_p"):
        if body.get(name) is not None:
            chat[name] = body[name]
    read_chat = chat_request.read(chat, plan)
    return ResponsesRequest(
        chat=replace(read_chat, searches=hosted.count("web_search_call")),
        background=fields.flag(body, "background"),
        store=body.get("store") is not False,
        hosted=tuple(hosted),
        input_items=items,
        previous=body.get("previous_response_id"),
        messages=messages,
    )


def _items(body: Json) -> list[Json]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise fields.wrong_type("input", "a string or an array of objects", given)
    return given


def _message(item: Json) -> list[Json]:
    """Return what an item is in a chat; reasoning is nothing there."""
    kind = item.get("type", "message")
    if kind == "message":
        content = item.get("content")
        return [{"role": item.get("role"), "content": content if isinstance(content, str) else _parts(content)}]
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}]
    if kind == "function_call_output":
        return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": str(item.get("output"))}]
    if kind == "reasoning":
        return []
    message = f"Invalid value: '{kind}'."
    raise refuse(message, "input[0].type", "invalid_value")


def _parts(content: Any) -> list[Json]:
    parts: list[Json] = []
    for part in content if isinstance(content, list) else []:
        kind = str(part.get("type"))
        if kind == "input_image":
            url = {"url": part.get("image_url"), "detail": part.get("detail", "auto")}
            parts.append({"type": "image_url", "image_url": url})
        elif kind in _PARTS:
            parts.append({"type": _PARTS[kind], "text": part.get("text") or part.get("refusal")})
        else:
            message = f"Invalid value: '{kind}'. Supported values are: 'input_text', 'input_image', and 'output_text'."
            raise refuse(message, "input[0].content[0].type", "invalid_value")
    return parts


def _tools(tools: Any, plan: FaultPlan) -> tuple[list[Json], list[str]]:
    """Return the functions as a chat has them, and an item for each use of a tool of the provider's own."""
    functions: list[Json] = []
    hosted: list[str] = []
    for tool in tools if isinstance(tools, list) else []:
        kind = str(tool.get("type")) if isinstance(tool, dict) else None
        if kind == "function":
            functions.append({"type": "function", "function": {name: tool[name] for name in tool if name != "type"}})
        elif kind in _HOSTED:
            hosted += [_HOSTED[kind]] * (1 if plan.searches is None else plan.searches)
        else:
            message = f"Invalid value: '{kind}'."
            raise refuse(message, "tools[0].type", "invalid_value")
    return functions, hosted


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict):
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice
