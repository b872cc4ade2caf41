"""The OpenAI dialect, requests: what a call asks, and the body that goes upstream. Pure.

Fields that are not named here pass through untouched; they are never consulted.
Wire shapes: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21), `openai` 3.51 type stubs (2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.openai_names import DECISIVE_NAMES, check_names, is_stated
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX, collect_texts, printable

Operation = Literal["chat.completions", "completions", "embeddings"]

PATHS: dict[Operation, str] = {
    "chat.completions": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
}
PERMISSIONS: dict[Operation, str] = {
    "chat.completions": "chat:create",
    "completions": "chat:create",
    "embeddings": "embeddings:create",
}

MODEL_NAME_LENGTH_MAX = 256
END_USER_LENGTH_MAX = 256
OUTPUT_TOKENS_MAX = 10_000_000  # that a request may allow; more than any model writes
CHOICES_MAX = 128  # OpenAI's own bound for `n` (openai-openapi v2.3.0, 2026-08-21)

_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_MODEL_MEMBER = re.compile(rb'("model"\s*:\s*)"(?:[^"\\]|\\.)*"')
_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
_NOT_INPUT = frozenset({"role", "type", "url", "data", "file_data", "id"})
_OPENING = re.compile(rb"^\s*\{")
_INCLUDE_USAGE = b'{"stream_options":{"include_usage":true},'


_ABSENT = msgspec.Raw()
Count = Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Body(msgspec.Struct):
    """What all operations share."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_NAME_LENGTH_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    service_tier: Annotated[str, msgspec.Meta(max_length=SERVICE_TIER_LENGTH_MAX)] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    n: Count | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    min_tokens: Limit | None = None  # vLLM's
    best_of: Count | None = None
    prediction: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    web_search_options: msgspec.Raw = _ABSENT  # OpenAI's, xAI's and OpenRouter's ways to ask for a search
    search_parameters: msgspec.Raw = _ABSENT
    plugins: msgspec.Raw = _ABSENT
    cached_content: msgspec.Raw = _ABSENT  # Gemini's, in these places
    extra_body: msgspec.Raw = _ABSENT
    google: msgspec.Raw = _ABSENT


class _ChatBody(Body, kw_only=True):
    messages: list[msgspec.Raw]


class _CompletionBody(Body, kw_only=True):
    prompt: msgspec.Raw


class _EmbeddingBody(Body, kw_only=True):
    input: msgspec.Raw


_DECODERS: dict[Operation, msgspec.json.Decoder[Any]] = {
    "chat.completions": msgspec.json.Decoder(_ChatBody),
    "completions": msgspec.json.Decoder(_CompletionBody),
    "embeddings": msgspec.json.Decoder(_EmbeddingBody),
}
_REQUIRED: dict[Operation, str] = {"chat.completions": "messages", "completions": "prompt", "embeddings": "input"}


class Call:
    """A request as far as Tollkeeper decides by it. `body` is what the client sent, byte for byte."""

    __slots__ = ("body", "choices", "fields", "is_ambiguous", "is_stream", "model", "operation", "service_tier")

    def __init__(self, operation: Operation, body: bytes, fields: Body, decisive: list[bytes]) -> None:
        self.operation, self.body, self.fields = operation, body, fields
        self.model = fields.model
        self.service_tier = fields.service_tier
        self.is_stream = fields.stream is True and operation != "embeddings"
        self.choices = max(fields.n or 1, fields.best_of or 1)
        """How many answers are generated, and paid for."""
        if isinstance(fields, _CompletionBody):
            self.choices *= _prompt_count(fields.prompt)
        self.is_ambiguous = _check_ambiguity(body, decisive)
        """A decisive name stands twice, deeper down or escaped: the body is rewritten, never spliced."""

    @property
    def wants_usage(self) -> bool:
        """Of a stream: the client asked for the usage chunk itself."""
        options = self.fields.stream_options
        return options is not None and options.include_usage is True

    @property
    def states_stream_options(self) -> bool:
        return b'"stream_options"' in self.body

    @property
    def states_output_limit(self) -> bool:
        """A limit stands in the body, maybe as null."""
        return b'"max_tokens"' in self.body or b'"max_completion_tokens"' in self.body

    @property
    def end_user(self) -> str:
        user = self.fields.user
        return printable(user, END_USER_LENGTH_MAX) if user else ""

    @property
    def metadata(self) -> dict[str, str]:
        """The body's metadata, as far as it is text."""
        return _strings(self.fields.metadata) if self.fields.metadata else {}


def parse(operation: Operation, body: bytes) -> Call:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    fields, decisive = _decode(operation, body)
    if not fields.model.isprintable():
        raise InvalidRequest("'model' must consist of printable characters.", param="model")
    if fields.service_tier is not None and not fields.service_tier.isprintable():
        raise InvalidRequest("'service_tier' must consist of printable characters.", param="service_tier")
    if operation != "chat.completions" and not is_stated(getattr(fields, _REQUIRED[operation])):
        raise InvalidRequest(f"Missing required parameter: '{_REQUIRED[operation]}'.", param=_REQUIRED[operation])
    call = Call(operation, body, fields, decisive)
    if fields.stream_options is not None and not call.is_stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    return call


def _decode(operation: Operation, body: bytes) -> tuple[Body, list[bytes]]:
    """Return the fields of a body, and the decisive names that stand in it.

    Raises:
        InvalidRequest: see `parse`.
    """
    try:
        if not body.isascii():
            body.decode()
        return _DECODERS[operation].decode(body), check_names(body)
    except msgspec.ValidationError as error:
        raise _named(error) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not valid UTF-8 (at byte {error.start}).") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None


def _prompt_count(prompt: msgspec.Raw) -> int:
    """Return how many prompts there are: a text or a list of tokens is one, in a list of such each is one.

    Raises:
        InvalidRequest: they cannot be read.
    """
    if bytes(memoryview(prompt)[:1]) != b"[":
        return 1
    prompts = load(bytes(prompt))
    return 1 if all(isinstance(each, int) for each in prompts) else len(prompts)


def upstream_body(call: Call, model: str, *, output_tokens: int | None = None, limit_name: str = "max_tokens") -> bytes:
    """Return the body for the provider: the client's bytes, with what must be otherwise.

    `model` is replaced, a stream's usage asked for, and `output_tokens` added as a limit to a call that states none.
    """
    asks_for_usage = call.is_stream and not call.wants_usage
    if model == call.model and not asks_for_usage and output_tokens is None:
        return call.body
    added = {} if output_tokens is None else {limit_name: output_tokens}
    if call.is_ambiguous or (asks_for_usage and call.states_stream_options) or (added and call.states_output_limit):
        return _rewritten(call.body, model, asks_for_usage=asks_for_usage, added=added)
    body = call.body
    if model != call.model:
        name = msgspec.json.encode(model)
        body = _MODEL_MEMBER.sub(lambda found: found[1] + name, body, count=1)
    if asks_for_usage:
        body = _OPENING.sub(_INCLUDE_USAGE, body, count=1)
    if added:
        body = _OPENING.sub(msgspec.json.encode(added)[:-1] + b",", body, count=1)
    return body


def input_texts(call: Call) -> tuple[list[str], int]:
    """Return every text of the request's input, and how many tokens came as numbers already.

    For counting tokens when the provider did not say.

    Raises:
        InvalidRequest: the body cannot be read as a whole.
    """
    fields = load(call.body)
    texts: list[str] = []
    numbers = collect_texts(fields.get(_REQUIRED[call.operation]), texts, skip=_NOT_INPUT)
    collect_texts(fields.get("tools"), texts, skip=_NOT_INPUT)
    return texts, numbers


def _strings(metadata: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if isinstance(value, str)}


def _named(error: msgspec.ValidationError) -> InvalidRequest:
    """Turn a validation error into one that names the field, as OpenAI does."""
    text, _, path = str(error).partition(" - at `$.")
    param = path.rstrip("`").partition(".")[0].partition("[")[0] or None
    if text.startswith("Object missing required field"):
        param = text.split("`")[1]
        return InvalidRequest(f"Missing required parameter: '{param}'.", param=param)
    where = f" for '{param}'" if param else ""
    return InvalidRequest(f"Invalid type{where}: {text[:1].lower()}{text[1:]}.", param=param)


def _check_ambiguity(body: bytes, decisive: list[bytes]) -> bool:
    """Tell whether a decisive name of the outermost object occurs more than once or escaped, anywhere in the body.

    Raises:
        InvalidRequest: it stands twice in the outermost object, where parsers differ on which one counts.
    """
    for quoted in decisive:
        if body.count(quoted) > 1:
            break
    else:
        if not (b"\\u00" in body and _ESCAPED_LETTER.search(body)):
            return False
    outermost: list[tuple[str, Any]] = []

    def remember(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs  # the outermost object is closed last

    load(body, remember)
    seen: set[str] = set()
    for name, _ in outermost:
        if name in DECISIVE_NAMES and name in seen:
            raise InvalidRequest(f"'{name}' stands twice in the body.", param=name)
        seen.add(name)
    return True


def load(body: bytes, hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Read the whole body.

    Raises:
        InvalidRequest: it is nested too deeply, or holds a number that no parser takes.
    """
    try:
        return json.loads(body, object_pairs_hook=hook)
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    except ValueError as error:
        raise InvalidRequest(f"The body cannot be read: {error}.") from None


def _rewritten(body: bytes, model: str, *, asks_for_usage: bool, added: dict[str, int]) -> bytes:
    fields = load(body)
    fields["model"] = model
    if asks_for_usage:
        fields["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}
    if added:
        fields = {name: value for name, value in fields.items() if name not in _LIMIT_NAMES} | added
    return json.dumps(fields, separators=(",", ":")).encode()
