"""What the path of a call asks of a request, whichever dialect it is in: what it says of itself and of its own cost."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.json_body import load_unambiguous
from tollkeeper.gateway.wire.texts import text_size
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.gateway.wire.unseen import Unseen

Operation = Literal["chat.completions", "completions", "embeddings", "messages", "generate_content"]
"""What is asked for, as usage records name it."""
PERMISSIONS: dict[Operation, str] = {
    "chat.completions": "chat:create",
    "completions": "chat:create",
    "embeddings": "embeddings:create",
    "messages": "chat:create",
    "generate_content": "chat:create",
}
MODEL_NAME_LENGTH_MAX = 256
END_USER_LENGTH_MAX = 256
OUTPUT_TOKENS_MAX = 10_000_000  # that a request may allow; more than any model writes


class Call(ABC):
    """A request as far as Tollkeeper decides by it. `body` is what the client sent, byte for byte.

    `choices` is how many answers are generated, and paid for. `is_ambiguous` says that a decisive name stands twice,
    deeper down or escaped: the body is rewritten, never spliced.
    """

    __slots__ = ("body", "choices", "is_ambiguous", "is_stream", "model", "operation", "service_tier")
    dialect: ClassVar[Dialect]

    operation: Operation
    body: bytes
    model: str
    is_stream: bool
    choices: int
    service_tier: str | None
    is_ambiguous: bool

    is_array = False
    """Whether a stream goes to the client as a JSON array and not as events."""

    # ---- of itself --------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def wants_usage(self) -> bool:
        """Of a stream: the client is to see the usage that the provider states."""

    @property
    @abstractmethod
    def end_user(self) -> str: ...

    @property
    @abstractmethod
    def metadata(self) -> dict[str, str]:
        """The body's metadata, as far as it is text."""

    # ---- of its cost ------------------------------------------------------------------------------------------------

    @abstractmethod
    def output_limit(self, kind: ProviderKind) -> int | None:
        """Return the most tokens that each answer may have at a provider of this kind; None when nothing limits it."""

    @property
    def output_tokens_min(self) -> int:
        """The least that it asks each answer to have."""
        return 0

    @property
    @abstractmethod
    def is_output_fixed(self) -> bool:
        """Whether no limit can be added to the call."""

    @property
    @abstractmethod
    def extra_output_tokens(self) -> int:
        """The most tokens that are billed as output for each answer beyond the answer itself."""

    @property
    def has_output(self) -> bool:
        """Whether output tokens are paid for."""
        return True

    @property
    def is_chat(self) -> bool:
        """Whether its input is a list of messages."""
        return True

    @property
    def has_one_input(self) -> bool:
        """Whether its input is one, and so never larger than a model's window."""
        return True

    @property
    @abstractmethod
    def is_tier_open(self) -> bool:
        """Whether it asks for no service tier, so that the provider's project decides."""

    @property
    @abstractmethod
    def has_cached_content(self) -> bool:
        """Whether it names content that lies at the provider already, and is input of a length that nobody knows."""

    @abstractmethod
    def may_cause_fees(self, model: str) -> bool:
        """Tell whether the call of a model may cause fees that are not per token and have no price here."""

    @abstractmethod
    def unseen(self) -> Unseen:
        """Return what its input has besides text; PLAIN, itself, when that is nothing."""

    @abstractmethod
    def input_texts(self) -> tuple[list[str], int]:
        """Return every text of the input, and how many tokens came as numbers already.

        Raises:
            InvalidRequest: the body cannot be read as a whole.
        """

    def count_material(self) -> tuple[list[str], int] | None:
        """Return texts to be counted, and a bound of the tokens of all that is not among them: its bytes.

        None when the body could be read in two ways.

        Raises:
            InvalidRequest: the body cannot be read as a whole.
        """
        fields = load_unambiguous(self.body)
        if fields is None:
            return None
        texts, _ = self.input_texts()
        shortest = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        return texts, text_size(shortest) - sum(map(text_size, texts)) - self.unseen().data_bytes

    # ---- on its way -------------------------------------------------------------------------------------------------

    @abstractmethod
    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:
        """Return the body for a provider of this kind that speaks the same dialect: the client's bytes, but for what must
        be otherwise. `output_tokens` is added as a limit to a call that states none.
        """
