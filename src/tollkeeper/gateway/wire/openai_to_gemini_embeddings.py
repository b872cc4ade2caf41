"""OpenAI's embeddings served by Gemini's `batchEmbedContents`: requests there, vectors, usage and errors back. Pure.

Shapes: `openai` 3.51, `EmbeddingCreateParams`; https://ai.google.dev/api/embeddings (both 2026-11).
"""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.gemini_answer import WireUsage
from tollkeeper.gateway.wire.gemini_models import PREFIX
from tollkeeper.gateway.wire.gemini_target.checking import as_choice, as_count, check_fields
from tollkeeper.gateway.wire.gemini_target.errors import read_error
from tollkeeper.gateway.wire.openai_to_gemini.errors import openai_error
from tollkeeper.gateway.wire.translation import Dialect, FieldRule, TranslatedStream, Translation, dropped, mapped
from tollkeeper.gateway.wire.translation_reading import as_text, refused, wrong_type

DIMENSIONS_MAX = 1 << 16  # more than any vector has
RULES: dict[str, FieldRule] = {
    "model": mapped("the deployment's model, in the path and in each request"),
    "input": mapped("one request for each text; tokens as numbers are refused: Gemini counts in others"),
    "dimensions": mapped("`outputDimensionality`"),
    "encoding_format": mapped("Gemini's numbers as they are, or as little-endian 32-bit floats in base64"),
    "user": dropped("Tollkeeper's records have it"),
}
_encode = msgspec.json.encode


class _Vector(msgspec.Struct):
    values: list[float]


class _Answer(msgspec.Struct, rename="camel"):
    embeddings: list[_Vector]
    usage_metadata: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Answer).decode
_decode_usage = msgspec.json.Decoder(WireUsage | None).decode


class _Embeddings:
    source: Dialect = "openai"
    target: Dialect = "gemini"
    rules = RULES

    def __init__(self, *, is_base64: bool) -> None:
        self._is_base64 = is_base64

    def request(self, fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
        """See `Translation.request`; vectors have no `output_tokens`."""
        del output_tokens
        check_fields(fields, RULES)
        if (form := fields.get("encoding_format")) is not None:
            as_choice(form, "encoding_format", ("float", "base64"))
        shared: dict[str, Any] = {"model": PREFIX + model}
        if (size := fields.get("dimensions")) is not None:
            shared["outputDimensionality"] = as_count(size, "dimensions", most=DIMENSIONS_MAX)
        texts = _texts(fields.get("input"))
        return {"requests": [{**shared, "content": {"parts": [{"text": text}]}} for text in texts]}

    def answer(self, body: bytes, *, model: str, request_id: str) -> bytes:
        """See `Translation.answer`. A usage that Gemini does not state, or not readably, is null.

        Raises:
            UpstreamFault: the provider's answer is none of Gemini's.
        """
        del request_id
        try:
            found = _decode(body)
        except (msgspec.DecodeError, RecursionError):
            raise UpstreamFault("protocol", "the provider's answer holds no embeddings", sent=True) from None
        stated = _usage_in(found)
        tokens = None if stated is None else stated.prompt_token_count
        data = [
            {"object": "embedding", "index": place, "embedding": self._written(each.values)}
            for place, each in enumerate(found.embeddings)
        ]
        usage = None if tokens is None else {"prompt_tokens": tokens, "total_tokens": tokens}
        return _encode({"object": "list", "data": data, "model": model, "usage": usage})

    def error(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        return openai_error(read_error(status, body), request_id)

    def stream(
        self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]
    ) -> TranslatedStream:
        del model, wants_usage, request_id, cost_usd
        raise AssertionError("embeddings are no stream")

    def _written(self, values: list[float]) -> list[float] | str:
        if not self._is_base64:
            return values
        floats = array.array("f", values)
        if sys.byteorder == "big":
            floats.byteswap()
        return base64.b64encode(floats.tobytes()).decode()


FLOATS: Translation = _Embeddings(is_base64=False)
BASE64: Translation = _Embeddings(is_base64=True)


def _usage_in(found: _Answer) -> WireUsage | None:
    """Return the usage that an answer states; None too when it cannot be read: its vectors are good all the same."""
    try:
        return _decode_usage(found.usage_metadata) if found.usage_metadata else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise wrong_type(given, "input", "a text or a list of texts")
    if not given:
        raise refused("must not be empty.", "input")
    return [as_text(each, f"input[{place}]") for place, each in enumerate(given)]
