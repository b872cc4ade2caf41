"""Generated conversations and answers in OpenAI's chat dialect, valid as its published types have them (openai 3.51)."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_LETTERS = 'ab0 \n\t"\\/{}é안🙂\u2028\x00'
texts = st.text(min_size=1, max_size=20, alphabet=_LETTERS).filter(lambda text: bool(text.strip()))
any_texts = st.text(max_size=8, alphabet=_LETTERS)
names = st.text(min_size=1, max_size=16, alphabet="abcXYZ019_-")
ids = st.text(min_size=1, max_size=12, alphabet="abcXYZ019_-") | st.text(min_size=1, max_size=50, alphabet=_LETTERS)
values = st.sampled_from(
    [None, True, 0, -(2**53), 1.5, 1e-7, "", "안녕", 'a"b', [], {}, [1, {"a": None}], {"b": {"c": [False, "x"]}}]
)
arguments = st.dictionaries(any_texts, values, max_size=3)
images = st.sampled_from(
    [f"data:image/png;base64,{PIXEL}", "data:image/jpeg;base64,/9j/4A==", "https://example.org/cat.png"]
)
schemas = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(names, st.just({"type": "string"}), max_size=2)}
)


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


parts = st.one_of(
    any_texts.map(text_part),
    images.map(lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "low"}}),
    st.just({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}),
)
text_contents = any_texts | st.lists(any_texts.map(text_part), min_size=1, max_size=2)


@st.composite
def turns(draw: st.DrawFn, taken: set[str]) -> list[dict[str, Any]]:
    """One step of a conversation: a system prompt, a user's message, or an answer with the results of its tools."""
    match draw(st.sampled_from(["system", "user", "answer"])):
        case "system":
            return [{"role": draw(st.sampled_from(["system", "developer"])), "content": draw(text_contents)}]
        case "user":
            return [{"role": "user", "content": draw(texts | st.lists(parts, min_size=1, max_size=3))}]
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | text_contents)}
    if draw(st.booleans()):
        message["refusal"] = draw(st.none() | texts)
    called = []
    for call_id in draw(st.lists(ids, max_size=3, unique=True)):
        if call_id in taken:
            continue
        taken.add(call_id)
        written = json.dumps(draw(arguments)) if draw(st.integers(0, 5)) else ""
        called.append({"id": call_id, "type": "function", "function": {"name": draw(names), "arguments": written}})
    if called:
        message["tool_calls"] = called
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(text_contents)} for call in called]
    return [message, *results]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A whole request; a user says something in it."""
    taken: set[str] = set()
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 4))):
        messages += draw(turns(taken))
    messages.append({"role": "user", "content": draw(texts)})
    body: dict[str, Any] = {"model": "m", "messages": messages}
    options = {
        "max_tokens": st.integers(1, 100_000),
        "max_completion_tokens": st.none() | st.integers(1, 100_000),
        "temperature": st.none() | st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "stop": st.none() | texts | st.lists(texts, max_size=4),
        "stream": st.booleans(),
        "n": st.just(1),
        "seed": st.integers(),
        "user": any_texts,
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max", None]),
        "service_tier": st.sampled_from(["auto", "default", "priority"]),
        "logprobs": st.just(False),
        "metadata": st.just({"a": "b"}),
    }
    body |= draw(st.fixed_dictionaries({}, optional=options))
    if tool_names := draw(st.lists(names, max_size=3, unique=True)):
        body["tools"] = [draw(_tool(name)) for name in tool_names]
        one = {"type": "function", "function": {"name": tool_names[0]}}
        body["tool_choice"] = draw(st.sampled_from(["auto", "none", "required", one, None]))
        body["parallel_tool_calls"] = draw(st.booleans())
    return body


@st.composite
def _tool(draw: st.DrawFn, name: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name}
    if draw(st.booleans()):
        function |= {"description": draw(any_texts), "parameters": draw(schemas), "strict": draw(st.booleans())}
    return {"type": "function", "function": function}


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """What a provider of the dialect answers, whole."""
    calls = [
        {"id": call_id, "type": "function", "function": {"name": draw(names), "arguments": json.dumps(draw(arguments))}}
        for call_id in draw(st.lists(ids, max_size=3, unique=True))
    ]
    message: dict[str, Any] = {"role": "assistant", "content": draw(texts if not calls else st.none() | texts)}
    if calls:
        message["tool_calls"] = calls
    if reasoning := draw(st.none() | texts):
        message[draw(st.sampled_from(["reasoning_content", "reasoning"]))] = reasoning
    if not calls and draw(st.integers(0, 5)) == 0:
        message["refusal"] = draw(texts)
        message["content"] = None
    prompt, cached, completion = (draw(st.integers(0, 10_000)) for _ in range(3))
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": draw(st.none() | st.just({"cached_tokens": min(cached, prompt)})),
        "completion_tokens_details": {"reasoning_tokens": completion // 2},
    }
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-x",
        "choices": [choice],
        "usage": usage,
        "service_tier": draw(st.sampled_from([None, "default", "priority"])),
    }


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """A text cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def streams_of(draw: st.DrawFn, answer: dict[str, Any]) -> list[bytes]:
    """The same answer as events of a stream."""
    choice = answer["choices"][0]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning_content", "reasoning", "content", "refusal"):
        if message.get(name):
            deltas += [{name: piece} for piece in draw(pieces(message[name]))]
    for i, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        first = {"index": i, "id": call["id"], "type": "function", "function": {**function, "arguments": ""}}
        deltas.append({"tool_calls": [first]})
        for piece in draw(pieces(function["arguments"])):
            deltas.append({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
    head = {"id": answer["id"], "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt-x"}
    head["service_tier"] = answer["service_tier"]
    chunks = [
        {**head, "choices": [{"index": 0, "delta": each, "finish_reason": None}], "usage": None} for each in deltas
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    chunks.append({**head, "choices": [], "usage": answer["usage"]})
    written = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return [*written, b"data: [DONE]\n\n"]
