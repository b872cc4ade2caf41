"""The official clients, given a canned answer instead of a network: what they make of it is what a user gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pydantic
from anthropic.types import Message, MessageCreateParams
from openai.types.chat import ChatCompletion, completion_create_params

_anthropic_params: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(MessageCreateParams)
_openai_params: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(completion_create_params.CompletionCreateParams)


class Canned:
    """What both clients are answered with."""

    def __init__(self) -> None:
        self.status, self.body, self.content_type = 200, b"", "application/json"
        transport = httpx2.MockTransport(self._answer)
        self.openai = openai.OpenAI(
            api_key="x", base_url="http://gateway/v1", http_client=httpx2.Client(transport=transport), max_retries=0
        )
        self.anthropic = anthropic.Anthropic(
            api_key="x", base_url="http://gateway", http_client=httpx2.Client(transport=transport), max_retries=0
        )

    def _answer(self, _: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(self.status, headers={"content-type": self.content_type}, content=self.body)

    def be(self, body: bytes, *, status: int = 200, content_type: str = "application/json") -> None:
        self.status, self.body, self.content_type = status, body, content_type

    def openai_answer(self, body: bytes) -> ChatCompletion:
        self.be(body)
        return self.openai.chat.completions.create(model="m", messages=[])

    def openai_stream(self, body: bytes) -> ChatCompletion:
        self.be(body, content_type="text/event-stream")
        with self.openai.chat.completions.stream(
            model="m", messages=[], stream_options={"include_usage": True}
        ) as stream:
            for _ in stream:
                pass
            return stream.get_final_completion()

    def anthropic_answer(self, body: bytes) -> Message:
        self.be(body)
        return self.anthropic.messages.create(model="m", max_tokens=1, messages=[])

    def anthropic_stream(self, body: bytes) -> Message:
        self.be(body, content_type="text/event-stream")
        with self.anthropic.messages.stream(model="m", max_tokens=1, messages=[]) as stream:
            for _ in stream:
                pass
            return stream.get_final_message()


canned = Canned()


def check_anthropic_params(body: dict[str, Any]) -> None:
    """Pass when the client's own types take a request, with nothing in it that they do not name.

    They name no sampling any more (anthropic 2.12), which models before Claude 4.7 do take.
    """
    named = {name: value for name, value in body.items() if name not in {"temperature", "top_p", "top_k"}}
    assert _plain(_anthropic_params.validate_python(named)) == named


def check_openai_params(body: dict[str, Any]) -> None:
    """Pass when the client's own types take a request, with nothing in it that they do not name."""
    assert _plain(_openai_params.validate_python(body)) == body


def _plain(value: Any) -> Any:
    """Read validated values to their ends: iterables are validated only as they are read."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, list | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [_plain(inner) for inner in value]
    return value
