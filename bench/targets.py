"""What is called and what must come back: request bodies, the upstream's fixed answers, and a check of one call."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MODEL = "gpt-4o-mini"
REQUEST_BYTES = 250
ANSWER_BYTES = 700
CHUNK_BYTES = 230
CHUNKS = 100


@dataclass(frozen=True)
class Target:
    """One kind of call: where to, with which headers, with which body; and what stands near the end of its stream."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    end: str = "data: [DONE]"


def request_body(model: str, *, stream: bool) -> bytes:
    """Return a chat completion request with an output limit; exactly 250 bytes when it is not a stream."""
    request: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": ""}],
        "max_tokens": 64,
    }
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return filled(request, "content", size=REQUEST_BYTES + (60 if stream else 0))


def answer_body() -> bytes:
    """Return the upstream's answer: a chat completion of exactly 700 bytes that carries usage."""
    answer = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1760000000,
        "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}],
        "usage": _usage(),
    }
    return filled(answer, "content", size=ANSWER_BYTES)


def stream_events() -> list[bytes]:
    """Return the events of one stream: 100 chunks of about 230 bytes, one that says why it ends, the usage, the end mark."""
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1760000000, "model": MODEL}
    chunk = {**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}], "usage": None}
    event = b"data: " + filled(chunk, "content", size=CHUNK_BYTES - 8) + b"\n\n"
    ended = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {**head, "choices": [], "usage": _usage()}
    last = [b"data: " + json_bytes(each) + b"\n\n" for each in (ended, usage)]
    return [event] * CHUNKS + [*last, b"data: [DONE]\n\n"]


def check_call(target: Target, *, timeout_s: float = 30) -> str | None:
    """Make one call; return None when the upstream's usage came back whole, else what is wrong."""
    status, body = _post(target, timeout_s)
    if status != 200:
        return f"status {status}: {body[:200]!r}"
    try:
        usage = json.loads(body).get("usage")
    except ValueError:
        return f"the answer is no JSON: {body[:200]!r}"
    return None if usage and usage.get("prompt_tokens") == _usage()["prompt_tokens"] else f"usage is {usage!r}"


def check_stream(target: Target, *, timeout_s: float = 30) -> str | None:
    """Open one stream; return None when every chunk and the end mark came, else what is wrong."""
    status, body = _post(target, timeout_s)
    if status != 200:
        return f"status {status}: {body[:200]!r}"
    chunks = len(re.findall(rb'"content": ?"y', body))  # gateways that write their own JSON may put a space there
    if chunks != CHUNKS:
        return f"{chunks} of {CHUNKS} chunks came"
    return None if b"data: [DONE]" in body else "the stream has no end mark"


def check_text(target: Target, *, texts: int, timeout_s: float = 30) -> str | None:
    """Make one call in any dialect; return None when as many texts came as the upstream wrote and the end of the answer."""
    status, body = _post(target, timeout_s)
    if status != 200:
        return f"status {status}: {body[:200]!r}"
    found = len(re.findall(rb'":\s?"yy', body))
    if found != texts:
        return f"{found} of {texts} texts came: {body[:300]!r}"
    return None if texts == 1 or target.end.encode() in body else "the stream has no end mark"


def path_of(target: Target) -> str:
    """Return the path of a target, its query included."""
    place = urlsplit(target.url)
    return (place.path or "/") + (f"?{place.query}" if place.query else "")


def _post(target: Target, timeout_s: float) -> tuple[int, bytes]:
    """Return status and body of one call; status 0 with the reason when there was no answer at all."""
    place = urlsplit(target.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout_s)
    try:
        connection.request("POST", path_of(target), target.body, dict(target.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as fault:
        return 0, repr(fault).encode()
    finally:
        connection.close()


def _usage() -> dict[str, object]:
    return {
        "prompt_tokens": 57,
        "completion_tokens": 64,
        "total_tokens": 121,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def filled(document: Mapping[str, object], field_name: str, *, size: int) -> bytes:
    """Encode `document` with its one empty string `field_name` filled up so that the whole has `size` bytes."""
    encoded = json_bytes(document)
    empty = f'"{field_name}":""'.encode()
    assert encoded.count(empty) == 1, field_name
    assert len(encoded) <= size, f"{len(encoded)} bytes do not fit into {size}"
    return encoded.replace(empty, empty[:-1] + b"y" * (size - len(encoded)) + b'"')


def json_bytes(document: object) -> bytes:
    """Encode without any white space."""
    return json.dumps(document, separators=(",", ":")).encode()
