"""Generated conversations and answers in Anthropic's dialect, valid as its published types have them (anthropic 2.12)."""

from __future__ import annotations

import json
from typing import Any

from conversations_openai import PIXEL, any_texts, arguments, names, pieces, schemas, texts
from hypothesis import strategies as st

ids = st.text(min_size=1, max_size=24, alphabet="abcXYZ019_-") | st.text(
    min_size=41, max_size=60, alphabet="abcXYZ019_-"
)
marks = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}, {"cache_control": None}])


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


images = st.sampled_from(
    [
        {"type": "base64", "media_type": "image/png", "data": PIXEL},
        {"type": "url", "url": "https://example.org/cat.png"},
    ]
).map(lambda source: {"type": "image", "source": source})
documents = st.just(
    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
)
blocks = st.builds(lambda block, mark: {**block, **mark}, texts.map(text_block) | images | documents, marks)
thoughts = st.sampled_from(
    [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHg="},
    ]
)


@st.composite
def turns(draw: st.DrawFn, taken: set[str]) -> list[dict[str, Any]]:
    """A question and its answer, with the results of the tools that the answer calls."""
    question = {"role": "user", "content": draw(texts | st.lists(blocks, min_size=1, max_size=3))}
    said: list[dict[str, Any]] = draw(st.lists(thoughts, max_size=1))
    said += [text_block(text) for text in draw(st.lists(texts, min_size=1, max_size=2))]
    results: list[dict[str, Any]] = []
    for tool_id in draw(st.lists(ids, max_size=3, unique=True)):
        if tool_id in taken:
            continue
        taken.add(tool_id)
        said.append({"type": "tool_use", "id": tool_id, "name": draw(names), "input": draw(arguments)})
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id}
        if draw(st.booleans()):
            result["content"] = draw(texts | st.lists(texts.map(text_block) | images, max_size=3))
        if draw(st.booleans()):
            result["is_error"] = draw(st.booleans())
        results.append(result)
    if results:
        more = draw(st.lists(blocks, max_size=1))
        return [question, {"role": "assistant", "content": said}, {"role": "user", "content": [*results, *more]}]
    return [question, {"role": "assistant", "content": said}]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A whole request."""
    taken: set[str] = set()
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        messages += draw(turns(taken))
    messages.append({"role": "user", "content": draw(texts)})
    body: dict[str, Any] = {"model": "m", "messages": messages, "max_tokens": draw(st.integers(1, 100_000))}
    options = {
        "system": texts | st.lists(texts.map(text_block), max_size=3),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "stop_sequences": st.lists(texts, max_size=4),
        "stream": st.booleans(),
        "metadata": st.fixed_dictionaries({"user_id": st.none() | any_texts}),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "thinking": st.sampled_from(
            [{"type": "enabled", "budget_tokens": 2048}, {"type": "disabled"}, {"type": "adaptive"}]
        ),
        "output_config": st.sampled_from(
            [{"effort": "max"}, {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}]
        ),
    }
    body |= draw(st.fixed_dictionaries({}, optional=options))
    if tool_names := draw(st.lists(names, max_size=3, unique=True)):
        body["tools"] = [{"name": name, "description": "x", "input_schema": draw(schemas)} for name in tool_names]
        kinds = [{"type": "auto"}, {"type": "any"}, {"type": "none"}, {"type": "tool", "name": tool_names[0]}]
        choice = draw(st.sampled_from(kinds))
        if choice["type"] != "none" and draw(st.booleans()):
            choice = {**choice, "disable_parallel_tool_use": draw(st.booleans())}
        body["tool_choice"] = choice
    return body


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """What Anthropic answers, whole."""
    content: list[dict[str, Any]] = draw(st.lists(thoughts, max_size=2))
    content += [{**text_block(text), "citations": None} for text in draw(st.lists(texts, max_size=2))]
    for tool_id in draw(st.lists(ids, max_size=3, unique=True)):
        content.append({"type": "tool_use", "id": tool_id, "name": draw(names), "input": draw(arguments)})
    has_calls = bool(content) and content[-1]["type"] == "tool_use"
    reasons = ["end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal", "model_context_window_exceeded"]
    reason = "tool_use" if has_calls else draw(st.sampled_from(reasons))
    details = {"type": "refusal", "category": None, "explanation": "No."} if reason == "refusal" else None
    counts = [draw(st.integers(0, 10_000)) for _ in range(4)]
    usage = {
        "input_tokens": counts[0],
        "cache_creation_input_tokens": counts[1],
        "cache_read_input_tokens": counts[2],
        "cache_creation": {"ephemeral_5m_input_tokens": counts[1], "ephemeral_1h_input_tokens": 0},
        "output_tokens": counts[3],
        "output_tokens_details": draw(st.none() | st.just({"thinking_tokens": counts[3] // 2})),
        "service_tier": draw(st.sampled_from(["standard", "priority", None])),
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": details,
        "usage": usage,
    }


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


@st.composite
def streams_of(draw: st.DrawFn, answer: dict[str, Any]) -> list[bytes]:
    """The same answer as events of a stream: its usage is split, and pings come in between."""
    usage = answer["usage"]
    first = {**usage, "output_tokens": 1, "output_tokens_details": None}
    start = {**answer, "content": [], "stop_reason": None, "stop_details": None, "usage": first}
    written = [event("message_start", message=start), event("ping")]
    for i, block in enumerate(answer["content"]):
        for name, kind in (("text", "text_delta"), ("thinking", "thinking_delta"), ("input", "input_json_delta")):
            if name not in block:
                continue
            empty = {**block, name: {} if name == "input" else ""}
            if "signature" in block:
                empty["signature"] = ""
            written.append(event("content_block_start", index=i, content_block=empty))
            whole = block[name]
            if name == "input":
                whole = json.dumps(whole) if whole else ""  # as Anthropic streams a call without arguments
            member = "partial_json" if name == "input" else name
            deltas = [{"type": kind, member: piece} for piece in draw(pieces(whole))]
            written += [event("content_block_delta", index=i, delta=delta) for delta in deltas]
            if "signature" in block:
                delta = {"type": "signature_delta", "signature": block["signature"]}
                written.append(event("content_block_delta", index=i, delta=delta))
            break
        else:
            written.append(event("content_block_start", index=i, content_block=block))
        written.append(event("content_block_stop", index=i))
    delta = {name: answer[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    counts = {"output_tokens": usage["output_tokens"], "output_tokens_details": usage["output_tokens_details"]}
    written.append(event("message_delta", delta=delta, usage=counts))
    return [*written, event("message_stop")]
