"""Gemini's answers as translations read them: candidates, parts, usage, and what stopped a model.

Shapes: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse and `google-genai` 3.4 (2026-11).
A stream is a row of such answers, each with what is new; the usage of the last one counts, and nothing marks the end.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.texts import printable

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
Ending = Literal["stop", "length", "blocked", "failed"]

MESSAGE_LENGTH_MAX = 2000
_ENDINGS: dict[str, Ending] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR", "ESCALATION",
            "PUP_LIMITED_DISABLED", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
        ),
        "blocked",
    ),
}  # fmt: skip


class Blob(msgspec.Struct, rename="camel"):
    mime_type: str | None = None
    data: str | None = None


class FunctionCall(msgspec.Struct, rename="camel"):
    """A call that a model wants made; older models give it no id."""

    name: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: str | None = None

    @property
    def arguments(self) -> str:
        """The arguments as JSON without white space."""
        written = bytes(self.args)
        return "{}" if written == b"null" else msgspec.json.format(written, indent=-1).decode()


class Part(msgspec.Struct, rename="camel"):
    """One part of what a model said; `thought` says that it is a summary of its thoughts."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(msgspec.Struct):
    parts: list[Part] | None = None


class TokenLogprob(msgspec.Struct, rename="camel"):
    token: str | None = None
    log_probability: float | None = None


class TopCandidates(msgspec.Struct):
    candidates: list[TokenLogprob] | None = None


class Logprobs(msgspec.Struct, rename="camel"):
    chosen_candidates: list[TokenLogprob] | None = None
    top_candidates: list[TopCandidates] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer of those asked for; in a stream, what is new in it."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: Count | None = None
    logprobs_result: Logprobs | None = None

    @property
    def ended_by(self) -> str | None:
        """The finish reason, when there is one."""
        return None if self.finish_reason == "FINISH_REASON_UNSPECIFIED" else self.finish_reason or None

    @property
    def parts(self) -> list[Part]:
        return (self.content.parts or []) if self.content is not None else []


class ModalityTokens(msgspec.Struct, rename="camel"):
    modality: str | None = None
    token_count: Count | None = None


class Usage(msgspec.Struct, rename="camel"):
    """Tokens: the prompt includes what was cached; candidates exclude thoughts; tools' results are outside the prompt."""

    prompt_token_count: Count | None = None
    cached_content_token_count: Count | None = None
    candidates_token_count: Count | None = None
    thoughts_token_count: Count | None = None
    tool_use_prompt_token_count: Count | None = None
    prompt_tokens_details: list[ModalityTokens] | None = None
    candidates_tokens_details: list[ModalityTokens] | None = None
    service_tier: str | None = None

    @property
    def input_tokens(self) -> int:
        return (self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0)

    @property
    def cached_tokens(self) -> int:
        return min(self.cached_content_token_count or 0, self.input_tokens)

    @property
    def output_tokens(self) -> int:
        return (self.candidates_token_count or 0) + self.thought_tokens

    @property
    def thought_tokens(self) -> int:
        return self.thoughts_token_count or 0


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class ErrorDetail(msgspec.Struct, rename="camel"):
    reason: str | None = None
    violations: list[dict[str, msgspec.Raw]] | None = None


class Error(msgspec.Struct):
    """`google.rpc.Status` as JSON."""

    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: list[ErrorDetail] | None = None


class Answer(msgspec.Struct, rename="camel"):
    """A whole answer, one event of a stream, or an error."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Usage | None = None
    response_id: str | None = None
    error: Error | None = None

    @property
    def blocked(self) -> str | None:
        """Why the prompt was not answered at all, for people; None when it was."""
        feedback = self.prompt_feedback
        if self.candidates or feedback is None or not feedback.block_reason:
            return None
        said = feedback.block_reason_message or f"The provider blocked the prompt ({feedback.block_reason})."
        return printable(said, MESSAGE_LENGTH_MAX)


parse_event = msgspec.json.Decoder(Answer).decode
"""Raises msgspec.DecodeError, or RecursionError, for what is no answer of Gemini's."""


def parse_answer(body: bytes) -> Answer:
    """Read a whole answer.

    Raises:
        UpstreamFault: the provider's answer is none of Gemini's.
    """
    try:
        answer = parse_event(body)
    except (msgspec.DecodeError, RecursionError):
        raise UpstreamFault("protocol", "the provider's answer is not one of Gemini's", sent=True) from None
    if not answer.candidates and answer.blocked is None:
        raise UpstreamFault("protocol", "the provider's answer holds no candidate", sent=True)
    return answer


def ending_of(finish_reason: str) -> Ending:
    """Return what a finish reason means; malformed calls, and reasons that are new to us, are failures."""
    return _ENDINGS.get(finish_reason, "failed")


def tokens_of(details: list[ModalityTokens] | None, modality: str) -> int:
    """Return the tokens of one modality: TEXT, IMAGE, AUDIO, VIDEO or DOCUMENT."""
    return sum(each.token_count or 0 for each in details or () if each.modality == modality)
