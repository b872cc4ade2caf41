"""What calls for moderations, images and audio have in common: a body of JSON or a form, and no conversation. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.call import END_USER_LENGTH_MAX, Call
from tollkeeper.gateway.wire.json_body import load, with_model, written
from tollkeeper.gateway.wire.media_body import MediaOperation, Read
from tollkeeper.gateway.wire.multipart import File
from tollkeeper.gateway.wire.texts import collect_texts, printable
from tollkeeper.gateway.wire.unseen import PLAIN, Unseen

_NOT_INPUT = frozenset({"type", "url"})
_OPENING = re.compile(rb"^\s*\{")


class MediaCall(Call):
    """A call whose body is JSON or, with `files` in it, a form."""

    __slots__ = ("content_type", "fields", "files", "model_field")
    dialect = "openai"
    operation: MediaOperation

    def __init__(self, operation: MediaOperation, body: bytes, read: Read, content_type: bytes) -> None:
        fields = read.fields
        assert fields.model, "a model is required where it is read"
        self.operation, self.body, self.fields = operation, body, fields
        self.model, self.is_ambiguous = fields.model, read.is_ambiguous
        self.files: list[File] = read.files
        self.model_field = read.model
        self.content_type = content_type
        self.service_tier = None
        self.is_stream = fields.stream is True
        self.choices = fields.n or 1

    @property
    def is_form(self) -> bool:
        return bool(self.files) or self.model_field is not None

    @property
    def file_bytes(self) -> int:
        return sum(each.end - each.start for each in self.files)

    @property
    def readable_bytes(self) -> int:
        return len(self.body) - self.file_bytes

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def end_user(self) -> str:
        return printable(self.fields.user, END_USER_LENGTH_MAX) if self.fields.user else ""

    @property
    def metadata(self) -> dict[str, str]:
        return {}

    def output_limit(self, kind: ProviderKind) -> int | None:  # noqa: ARG002  # none of them takes a limit
        return None

    @property
    def is_output_fixed(self) -> bool:
        return True

    @property
    def extra_output_tokens(self) -> int:
        return 0

    @property
    def is_uncountable(self) -> bool:
        return self.has_output

    @property
    def is_chat(self) -> bool:
        return False

    @property
    def is_tier_open(self) -> bool:
        return True

    @property
    def has_cached_content(self) -> bool:
        return False

    def may_cause_fees(self, model: str) -> bool:  # noqa: ARG002
        return False

    def has_uncounted_fees(self, model: str) -> bool:  # noqa: ARG002  # what an answer states is all there is
        return False

    def reads_max(self, model: str) -> int:
        """See `Call`. What is billed by the piece has no tokens, but is bounded in the same way."""
        return 1 if self.fees_max(model) else 0

    def unseen(self) -> Unseen:
        size = self.file_bytes
        return Unseen(data_bytes=size) if size else PLAIN

    def input_texts(self) -> tuple[list[str], int]:
        fields = self.fields
        texts: list[str] = []
        if fields.input:
            collect_texts(load(bytes(fields.input)), texts, skip=_NOT_INPUT)
        return [*texts, *(text for text in (fields.prompt, fields.instructions) if text)], 0

    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:
        texts: list[str] = []
        collect_texts([fields.get(name) for name in ("input", "prompt", "instructions")], texts, skip=_NOT_INPUT)
        return texts, 0

    def count_material(self, unseen: Unseen) -> tuple[list[str], int] | None:
        return None if self.is_form else super().count_material(unseen)

    def added_fields(self, model: str, kind: ProviderKind) -> dict[str, Any]:  # noqa: ARG002
        """Return what is added to a body of JSON for a model of a provider of a kind."""
        return {}

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:  # noqa: ARG002  # none of them takes a limit
        if self.is_form:
            return self._form_body(model)
        added = self.added_fields(model, kind)
        is_other = model != self.model
        if self.is_ambiguous or any(b'"%b"' % name.encode() in self.body for name in added):
            return written({**load(self.body), **added, "model": model})
        if is_other and b'"model"' not in self.body:
            added = {**added, "model": model}
        body = with_model(self.body, model) if is_other else self.body
        return _OPENING.sub(msgspec.json.encode(added)[:-1] + b",", body, count=1) if added else body

    def _form_body(self, model: str) -> bytes:
        place = self.model_field
        if model == self.model or place is None:
            return self.body
        return self.body[: place.start] + model.encode() + self.body[place.end :]
