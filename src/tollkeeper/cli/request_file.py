"""Counts the tokens of a request body in a file: chat, completions or embeddings as OpenAI's API takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tollkeeper.domain.errors import InvalidRequest

FILE_BYTES_MAX = 32 * 1024 * 1024
TOKENS_PER_MESSAGE = 3
TOKENS_OF_REPLY = 3
"""What the chat format adds to the texts (OpenAI cookbook, "How to count tokens with tiktoken", read 2026-11-21)."""


class CountedRequest(msgspec.Struct, frozen=True):
    """A request's size. `output_tokens` is what the request allows over all its choices."""

    model: str
    input_tokens: int
    output_tokens: int
    service_tier: str | None


def count_request(path: Path, output_tokens: int | None, model: str | None) -> CountedRequest:
    """Count a request file. `output_tokens` wins over the request's own limit, `model` over the request's model.

    Raises:
        InvalidRequest: it cannot be read, it is no such request, it holds what has no text, or nothing says how long the
            output may be.
    """
    body = _read(path)
    name = model or body.get("model")
    if not isinstance(name, str) or not name:
        raise InvalidRequest(f"{path}: it names no model; give one with --model.", param="model")
    texts, extra = _texts(body, path)
    from tollkeeper.tokens.counter import count_tokens

    counted = sum(count_tokens(name.rpartition("/")[2], texts)) + extra
    tier = body.get("service_tier")
    return CountedRequest(
        model=name,
        input_tokens=counted,
        output_tokens=_output_tokens(body, output_tokens, path),
        service_tier=tier if isinstance(tier, str) else None,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidRequest(f"{path}: it is larger than 32 MiB")
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"{path}: it is not a JSON request: {error}") from error


def _texts(body: dict[str, Any], path: Path) -> tuple[list[str], int]:
    """Return the texts to count and the tokens that come besides them."""
    if isinstance(body.get("messages"), list):
        messages = body["messages"]
        texts = [text for message in messages for text in _message_texts(message, path)]
        # Tools are sent in a form that OpenAI does not publish; their JSON is the nearest bound.
        texts += [msgspec.json.encode(body[key]).decode() for key in ("tools", "response_format") if body.get(key)]
        return texts, TOKENS_PER_MESSAGE * len(messages) + TOKENS_OF_REPLY
    for key in ("input", "prompt"):
        if key in body:
            return _plain(body[key], path)
    raise InvalidRequest(f"{path}: it has none of messages, prompt, input.")


def _message_texts(message: Any, path: Path) -> Iterator[str]:
    if not isinstance(message, dict):
        raise InvalidRequest(f"{path}: a message is not an object.", param="messages")
    for key in ("role", "name"):
        if isinstance(message.get(key), str):
            yield message[key]
    if message.get("tool_calls"):
        yield msgspec.json.encode(message["tool_calls"]).decode()
    content = message.get("content")
    if isinstance(content, str):
        yield content
        return
    for part in content if isinstance(content, list) else ():
        text = part.get("text", part.get("refusal")) if isinstance(part, dict) else None
        if not isinstance(text, str):
            kind = part.get("type", "a part") if isinstance(part, dict) else "a part"
            raise InvalidRequest(f"{path}: {kind} cannot be counted here; only text can.", param="messages")
        yield text


def _plain(value: Any, path: Path) -> tuple[list[str], int]:
    """Take a text, texts, token numbers, or lists of them."""
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    tokens = sum(1 for item in items if isinstance(item, int))
    tokens += sum(len(item) for item in items if isinstance(item, list))
    if any(not isinstance(item, str | int | list) for item in items):
        raise InvalidRequest(f"{path}: input must be text or tokens.", param="input")
    return texts, tokens


def _output_tokens(body: dict[str, Any], stated: int | None, path: Path) -> int:
    choices = body.get("n") or 1
    if not isinstance(choices, int) or choices < 1:
        raise InvalidRequest(f"{path}: n must be a number of choices.", param="n")
    if stated is not None:
        return stated * choices
    if "messages" not in body and "prompt" not in body:
        return 0  # embeddings have no output
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    if not isinstance(limit, int) or limit < 0:
        raise InvalidRequest(f"{path}: it does not limit its output; say how long with --output.", param="output")
    return limit * choices
