"""The Gemini dialect, embeddings: what `embedContent` and `batchEmbedContents` ask, and the body that goes upstream. Pure.

Wire shapes: https://ai.google.dev/api/embeddings (read 2026-11-22), `google-genai` 3.3 (2026-11), which sends batches only.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import gemini_input
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, Call
from tollkeeper.gateway.wire.gemini_body import canonical
from tollkeeper.gateway.wire.gemini_models import check_named, renamed
from tollkeeper.gateway.wire.json_body import checked, load_unambiguous
from tollkeeper.gateway.wire.texts import items_of
from tollkeeper.gateway.wire.unseen import Unseen

_PRICED_KINDS = ("image/", "audio/")
"""What else than text has a price per token; video has one per frame, and of documents nobody says which is theirs
(ai.google.dev/gemini-api/docs/pricing, gemini-embedding-2, read 2026-11-22)."""
_check_json = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class GeminiEmbeddingCall(Call):
    """A call in this dialect; `requests` are its inputs, one for `embedContent`, named in camel case."""

    __slots__ = ("_contents", "is_batch", "requests")
    dialect = "gemini"
    operation = "embeddings"

    def __init__(self, body: bytes, model: str, requests: list[dict[str, Any]], *, is_batch: bool) -> None:
        self.body, self.model, self.requests = body, model, requests
        self.is_batch = is_batch
        self.is_stream = self.is_ambiguous = False
        self.choices = 1
        self.service_tier = None
        self._contents = [each.get("content") for each in requests]

    @property
    def gemini_method(self) -> str:
        return "batchEmbedContents" if self.is_batch else "embedContent"

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def end_user(self) -> str:
        return ""

    @property
    def metadata(self) -> dict[str, str]:
        return {}

    def output_limit(self, kind: ProviderKind) -> int | None:  # noqa: ARG002  # vectors have none
        return None

    @property
    def is_output_fixed(self) -> bool:
        return True

    @property
    def extra_output_tokens(self) -> int:
        return 0

    @property
    def has_output(self) -> bool:
        return False

    @property
    def is_chat(self) -> bool:
        return False

    @property
    def has_one_input(self) -> bool:
        return not self.is_batch

    @property
    def is_tier_open(self) -> bool:
        return True

    @property
    def has_cached_content(self) -> bool:
        return False

    def may_cause_fees(self, model: str) -> bool:  # noqa: ARG002  # it is the input that has a price of its own
        return any(not _is_priced(part) for content in self._contents for part in _parts(content))

    def unseen(self) -> Unseen:
        return gemini_input.unseen_of_contents(self._contents)

    def input_texts(self) -> tuple[list[str], int]:
        return self.texts_in({})

    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:  # noqa: ARG002  # they are decoded for good
        texts, numbers = gemini_input.texts_of_contents(self._contents)
        titles = [each["title"] for each in self.requests if isinstance(each.get("title"), str)]
        return [*texts, *titles], numbers

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:  # noqa: ARG002
        assert output_tokens is None, "vectors have no limit"
        if model == self.model:
            return self.body
        named = [renamed(each, model) for each in self.requests]
        return msgspec.json.encode({"requests": named} if self.is_batch else named[0])


def parse(body: bytes, model: str, *, is_batch: bool) -> GeminiEmbeddingCall:
    """Read a request's body; the rest is in its path.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a name stands twice, a needed field is missing or has a wrong type, or a model is
            named that is not the path's; `param` names the field.
    """
    if not 1 <= len(model) <= MODEL_NAME_LENGTH_MAX or not model.isprintable():
        raise InvalidRequest("The path must name a model of printable characters.", param="model")
    checked(body, _check_json)
    fields = load_unambiguous(body)
    if fields is None:
        raise InvalidRequest("A name stands twice in one object of the body.")
    members = canonical(fields)
    check_named(members, model)
    requests = _requests(members) if is_batch else [members]
    for place, each in enumerate(requests):
        at = f"requests[{place}]." if is_batch else ""
        if not isinstance(each.get("content"), dict):
            raise InvalidRequest(f"Missing required parameter: '{at}content'.", param=f"{at}content")
        check_named(each, model, f"{at}model")
    return GeminiEmbeddingCall(body, model, requests, is_batch=is_batch)


def _requests(members: dict[str, Any]) -> list[dict[str, Any]]:
    found = members.get("requests")
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise InvalidRequest("'requests' must be a list of requests.", param="requests")
    return [canonical(each) for each in found]


def _parts(content: Any) -> list[Any]:
    return items_of(content.get("parts")) if isinstance(content, dict) else []


def _is_priced(part: Any) -> bool:
    """Tell whether a part is text, or of a kind that is billed by tokens at a price that is known."""
    if not isinstance(part, dict):
        return True  # the provider will refuse it
    members = canonical(part)
    for name in ("inlineData", "fileData"):
        if (data := members.get(name)) is not None:
            kind = canonical(data).get("mimeType") if isinstance(data, dict) else None
            if not isinstance(kind, str) or not kind.startswith(_PRICED_KINDS):
                return False
    return True
