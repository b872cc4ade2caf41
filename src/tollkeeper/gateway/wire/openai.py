"""The OpenAI dialect: what a request asks, the body that goes upstream, the usage an answer states. Pure.

Fields that are not named here pass through untouched; they are never consulted.
Wire shapes: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21), `openai` 3.51 type stubs (2026-11).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.usage import Usage

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
TOKENS_MAX = 2**31

# Names that we decide by: a body in which one of them might stand twice is looked at closely, because the provider's
# parser may take the other one.
_DECISIVE_NAMES = frozenset(
    {"model", "stream", "stream_options", "service_tier", "n", "best_of", "max_tokens", "max_completion_tokens"}
)
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_MODEL_MEMBER = re.compile(rb'("model"\s*:\s*)"(?:[^"\\]|\\.)*"')
_OPENING = re.compile(rb"^\s*\{")
_INCLUDE_USAGE = b'{"stream_options":{"include_usage":true},'


Count = Annotated[int, msgspec.Meta(ge=1, le=TOKENS_MAX)]
Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    """What all operations share."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_NAME_LENGTH_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    n: Count | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Count | None = None
    best_of: Count | None = None


class _ChatBody(_Body, kw_only=True):
    messages: list[msgspec.Raw]


class _CompletionBody(_Body, kw_only=True):
    prompt: msgspec.Raw


class _EmbeddingBody(_Body, kw_only=True):
    input: msgspec.Raw


_DECODERS: dict[Operation, msgspec.json.Decoder[Any]] = {
    "chat.completions": msgspec.json.Decoder(_ChatBody),
    "completions": msgspec.json.Decoder(_CompletionBody),
    "embeddings": msgspec.json.Decoder(_EmbeddingBody),
}
_REQUIRED: dict[Operation, str] = {"chat.completions": "messages", "completions": "prompt", "embeddings": "input"}


class Call:
    """A request as far as Tollkeeper decides by it. `body` is what the client sent, byte for byte."""

    __slots__ = ("_fields", "body", "is_ambiguous", "is_stream", "model", "operation", "service_tier")

    def __init__(self, operation: Operation, body: bytes, fields: _Body) -> None:
        self.operation, self.body, self._fields = operation, body, fields
        self.model = fields.model
        self.service_tier = fields.service_tier
        self.is_stream = fields.stream is True and operation != "embeddings"
        self.is_ambiguous = _check_ambiguity(fields, body)
        """A decisive name stands twice, deeper down or escaped: the body is rewritten, never spliced."""

    @property
    def wants_usage(self) -> bool:
        """Of a stream: the client asked for the usage chunk itself."""
        options = self._fields.stream_options
        return options is not None and options.include_usage is True

    @property
    def states_stream_options(self) -> bool:
        return b'"stream_options"' in self.body

    @property
    def output_tokens_max(self) -> int | None:
        """The most tokens of output that the client allows, over all choices; None when it does not say."""
        fields = self._fields
        limit = fields.max_completion_tokens if fields.max_completion_tokens is not None else fields.max_tokens
        return None if limit is None else limit * self.choices

    @property
    def choices(self) -> int:
        """How many answers are generated, and paid for."""
        return max(self._fields.n or 1, self._fields.best_of or 1)

    @property
    def end_user(self) -> str:
        user = self._fields.user
        return printable(user, END_USER_LENGTH_MAX) if user else ""

    @property
    def metadata(self) -> dict[str, str]:
        """The body's metadata, as far as it is text."""
        return _strings(self._fields.metadata) if self._fields.metadata else {}


def parse(operation: Operation, body: bytes) -> Call:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    try:
        if not body.isascii():
            body.decode()
        fields = _DECODERS[operation].decode(body)
    except msgspec.ValidationError as error:
        raise _named(error) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not valid UTF-8 (at byte {error.start}).") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    if not fields.model.isprintable():
        raise InvalidRequest("'model' must consist of printable characters.", param="model")
    if operation != "chat.completions" and _is_null(getattr(fields, _REQUIRED[operation])):
        raise InvalidRequest(f"Missing required parameter: '{_REQUIRED[operation]}'.", param=_REQUIRED[operation])
    call = Call(operation, body, fields)
    if fields.stream_options is not None and not call.is_stream:
        raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
    return call


def _is_null(value: msgspec.Raw) -> bool:
    return bytes(memoryview(value)[:4]) == b"null"


def upstream_body(call: Call, model: str) -> bytes:
    """Return the body for the provider: the client's bytes, `model` replaced and usage asked for where that must be."""
    asks_for_usage = call.is_stream and not call.wants_usage
    if model == call.model and not asks_for_usage:
        return call.body
    if call.is_ambiguous or (asks_for_usage and call.states_stream_options):
        return _rewritten(call.body, model, asks_for_usage=asks_for_usage)
    body = call.body
    if model != call.model:
        name = msgspec.json.encode(model)
        body = _MODEL_MEMBER.sub(lambda found: found[1] + name, body, count=1)
    if asks_for_usage:
        body = _OPENING.sub(_INCLUDE_USAGE, body, count=1)
    return body


def input_texts(call: Call) -> tuple[list[str], int]:
    """Return every text of the request's input, and how many tokens came as numbers already.

    For counting tokens when the provider did not say.
    """
    fields = json.loads(call.body)
    texts: list[str] = []
    numbers = _collect_texts(fields.get(_REQUIRED[call.operation]), texts)
    _collect_texts(fields.get("tools"), texts)
    return texts, numbers


class PromptDetails(msgspec.Struct):
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None
    image_tokens: Tokens | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = None
    audio_tokens: Tokens | None = None


class WireUsage(msgspec.Struct):
    """`usage` of chat, completions and embeddings, DeepSeek's and xAI's variants included."""

    prompt_tokens: Tokens
    completion_tokens: Tokens = 0
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Tokens | None = None


class Answer(msgspec.Struct):
    """A whole answer, or one chunk of a stream, as far as it is metered."""

    model: str = ""
    usage: WireUsage | None = None
    service_tier: str | None = None
    choices: list[msgspec.Raw] | None = None


_decode_answer = msgspec.json.Decoder(Answer).decode


def parse_answer(data: bytes) -> Answer | None:
    """Read an answer or a chunk; None when it is not what it should be (then there is no usage to be had from it)."""
    try:
        return _decode_answer(data)
    except (msgspec.DecodeError, RecursionError):  # ValidationError is a DecodeError
        return None


def usage_of(wire: WireUsage, service_tier: str | None) -> Usage:
    """Bring a stated usage into disjoint classes.

    Prompt tokens include cached, written, audio and image tokens; completion tokens include reasoning and audio
    (OpenAI, DeepSeek), except for xAI chat, where reasoning is outside: then total = prompt + completion + reasoning.
    """
    plain, completion = wire.prompt_tokens, wire.completion_tokens
    quantities = {"input": plain}
    inputs, outputs = wire.prompt_tokens_details, wire.completion_tokens_details
    parts: tuple[tuple[str, int | None], ...]
    if inputs is not None:
        parts = (
            ("cache_read", inputs.cached_tokens or wire.prompt_cache_hit_tokens),
            ("cache_write_30m", inputs.cache_write_tokens),
            ("input_audio", inputs.audio_tokens),
            ("input_image", inputs.image_tokens),
        )
    else:
        parts = (("cache_read", wire.prompt_cache_hit_tokens),)
    for name, stated in parts:
        if stated:
            count = min(stated, plain)  # a part is never more than what is left of the whole
            quantities[name] = count
            plain -= count
    quantities["input"] = plain
    reasoning = 0
    if outputs is not None:
        reasoning = outputs.reasoning_tokens or 0
        if reasoning and wire.total_tokens == wire.prompt_tokens + completion + reasoning:
            completion += reasoning
        if outputs.audio_tokens:
            quantities["output_audio"] = min(outputs.audio_tokens, completion)
            completion -= quantities["output_audio"]
    quantities["output"] = completion
    return Usage(quantities, reasoning, service_tier)


def delta_texts(data: bytes) -> list[str]:
    """Return the texts that a chunk (or an answer) adds to the output: content, refusals, reasoning, tool arguments."""
    try:
        chunk = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return []
    found: list[str] = []
    for choice in chunk.get("choices") or () if isinstance(chunk, dict) else ():
        if isinstance(choice, dict):
            _collect_texts(choice.get("delta") or choice.get("message") or choice.get("text"), found, skip=_NOT_OUTPUT)
    return found


_NOT_OUTPUT = frozenset({"role", "id", "type", "index"})
_NOT_INPUT = frozenset({"role", "type", "url", "data", "file_data", "id"})


def _collect_texts(value: Any, found: list[str], skip: frozenset[str] = _NOT_INPUT) -> int:
    """Gather strings from nested lists and objects; return how many integers stood in lists: a token each."""
    stack = [value]
    numbers = 0
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            stack.extend(part for name, part in reversed(item.items()) if name not in skip)
        elif isinstance(item, int):
            numbers += 1
    return numbers


def printable(text: str, length_max: int) -> str:
    """Return the beginning of a text from outside without what no database column or terminal should be given."""
    text = text[:length_max]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


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


def _check_ambiguity(fields: _Body, body: bytes) -> bool:
    """Tell whether a decisive name occurs more than once or escaped, anywhere in the body.

    Raises:
        InvalidRequest: it stands twice in the outermost object, where parsers differ on which one counts.
    """
    if not _might_be_ambiguous(fields, body):
        return False
    outermost: list[tuple[str, Any]] = []

    def remember(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs  # the outermost object is closed last

    json.loads(body, object_pairs_hook=remember)
    seen: set[str] = set()
    for name, _ in outermost:
        if name in _DECISIVE_NAMES and name in seen:
            raise InvalidRequest(f"'{name}' stands twice in the body.", param=name)
        seen.add(name)
    return True


def _might_be_ambiguous(fields: _Body, body: bytes) -> bool:
    """Tell in a microsecond whether a closer look is needed; written out because every call passes here.

    A name whose field is absent can stand in the body only beside a null. For `n` and `best_of` that would hide how many
    answers are paid for; for the others what we then assume is on the safe side, or the answer itself says what was served.
    """
    return (
        body.count(b'"model"') > 1
        or (b'"n"' in body and body.count(b'"n"') > (fields.n is not None))
        or (b'"best_of"' in body and body.count(b'"best_of"') > (fields.best_of is not None))
        or (fields.stream is not None and body.count(b'"stream"') > 1)
        or (fields.stream_options is not None and body.count(b'"stream_options"') > 1)
        or (fields.service_tier is not None and body.count(b'"service_tier"') > 1)
        or (fields.max_tokens is not None and body.count(b'"max_tokens"') > 1)
        or (fields.max_completion_tokens is not None and body.count(b'"max_completion_tokens"') > 1)
        or (b"\\u00" in body and _ESCAPED_LETTER.search(body) is not None)
    )


def _rewritten(body: bytes, model: str, *, asks_for_usage: bool) -> bytes:
    fields = json.loads(body)
    fields["model"] = model
    if asks_for_usage:
        fields["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}
    return json.dumps(fields, separators=(",", ":")).encode()
