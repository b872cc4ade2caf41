"""What the path of a call asks of a request, whichever dialect it is in: what it says of itself and of its own cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from tollkeeper.domain.deployment import Deployment, ProviderKind
from tollkeeper.gateway.wire.json_body import load, load_unambiguous
from tollkeeper.gateway.wire.texts import text_size
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.gateway.wire.unseen import Unseen

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.answers import Stated

Operation = Literal[
    "chat.completions", "completions", "embeddings", "messages", "generate_content", "responses", "moderations",
    "images.generations", "images.edits", "images.variations", "audio.speech", "audio.transcriptions",
    "audio.translations",
]  # fmt: skip
"""What is asked for, as usage records name it."""
PERMISSIONS: dict[Operation, str] = {
    "responses": "responses:create",
    "moderations": "moderations:create",
    "images.generations": "images:create",
    "images.edits": "images:create",
    "images.variations": "images:create",
    "audio.speech": "audio:create",
    "audio.transcriptions": "audio:create",
    "audio.translations": "audio:create",
    "chat.completions": "chat:create",
    "completions": "chat:create",
    "embeddings": "embeddings:create",
    "messages": "chat:create",
    "generate_content": "chat:create",
}
MODEL_NAME_LENGTH_MAX = 256
NO_FEES: Mapping[str, int] = {}
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
    names_ids = False
    """Whether it may name, and its answer has, ids of what lies at the provider; see `gateway.response_ids`."""
    content_type = b""
    """Of its body, where that is no JSON."""
    is_read_whole = False
    """Whether an answer that comes as events is one piece for the client, and so read to its end first."""
    pending_id = ""
    """The provider's id of what goes on in the background, when that is all that is known of the answer."""

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

    @property
    def gemini_method(self) -> str:
        """Which method of Gemini's serves it, or its translation."""
        if self.operation == "embeddings":
            return "batchEmbedContents"
        return "streamGenerateContent?alt=sse" if self.is_stream else "generateContent"

    # ---- of its cost ------------------------------------------------------------------------------------------------

    may_be_placed: bool = True
    """Whether it may run where tokens cost more, because it does not say where it runs."""

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
    def readable_bytes(self) -> int:
        """How many bytes of its body can be text."""
        return len(self.body)

    @property
    @abstractmethod
    def extra_output_tokens(self) -> int:
        """The most tokens that are billed as output for each answer beyond the answer itself."""

    @property
    def has_output(self) -> bool:
        """Whether output tokens are paid for."""
        return True

    @property
    def is_uncountable(self) -> bool:
        """Whether its tokens are those of pictures or sound, so that no count of texts comes near them."""
        return False

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
        """Tell whether the call of a model may cause costs that nothing in it bounds: tools that the provider runs."""

    def has_uncounted_fees(self, model: str) -> bool:
        """Tell whether some of these are fees that the answer does not state, so that nobody can price the call."""
        return self.may_cause_fees(model)

    def fees_max(self, model: str) -> Mapping[str, int]:  # noqa: ARG002  # mostly there are none
        """Return how often the provider's tools can be used at most, by dimension, where the call bounds that."""
        return NO_FEES

    def certain_fees(self, model: str) -> Mapping[str, int]:  # noqa: ARG002
        """Return the fees that an answered call of a model has caused and its answer does not state, by dimension."""
        return NO_FEES

    def reads_max(self, model: str) -> int:  # noqa: ARG002
        """Return how often a model may be run over its window, and write an answer, where the provider adds to the input what
        its tools found; 0 when the input is what the call has.
        """
        return 0

    @abstractmethod
    def unseen(self) -> Unseen:
        """Return what its input has besides text; PLAIN, itself, when that is nothing."""

    def input_texts(self) -> tuple[list[str], int]:
        """Return every text of the input, and how many tokens came as numbers already.

        Raises:
            InvalidRequest: the body cannot be read as a whole.
        """
        return self.texts_in(load(self.body))

    @abstractmethod
    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:
        """Do it with its decoded body."""

    def count_material(self, unseen: Unseen) -> tuple[list[str], int] | None:
        """Return texts to be counted, and a bound of the tokens of all that is not among them: its bytes.

        `unseen` is what the input has besides text. None when the body could be read in two ways.

        Raises:
            InvalidRequest: the body cannot be read as a whole.
        """
        fields = load_unambiguous(self.body)
        if fields is None:
            return None
        texts, _ = self.texts_in(fields)
        shortest = msgspec.json.encode(fields)
        return texts, len(shortest) - sum(map(text_size, texts)) - unseen.data_bytes

    # ---- of its answer ----------------------------------------------------------------------------------------------

    def read_answer(self, body: bytes, deployment: Deployment) -> Stated | None:  # noqa: ARG002
        """Return what a whole answer states; None where that does not depend on what was asked for."""
        return None

    def take_pending_id(self) -> str:
        """Return `pending_id`, once: whoever has it sees to the call's settlement."""
        return ""

    # ---- on its way -------------------------------------------------------------------------------------------------

    @abstractmethod
    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:
        """Return the body for a provider of this kind that speaks the same dialect: the client's bytes, but for what must
        be otherwise. `output_tokens` is added as a limit to a call that states none.
        """
