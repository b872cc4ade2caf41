"""What a translation between two dialects does: requests there; answers, errors and streams back. Pure.

One package per direction, `wire/<source>_to_<target>/`, holds an object `TRANSLATION` of the type `Translation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec

Dialect = Literal["openai", "anthropic", "gemini"]


class FieldRule(msgspec.Struct, frozen=True):
    """What becomes of one field of the source's request body."""

    how: Literal["same", "mapped", "dropped", "refused"]
    note: str = ""
    """For the documentation, in one clause; needed unless `how` is "same"."""


SAME = FieldRule("same")


def mapped(note: str) -> FieldRule:
    """Return the rule of a field that is said in the target's words."""
    return FieldRule("mapped", note)


def dropped(note: str) -> FieldRule:
    """Return the rule of a field that the target has nothing like, and without which the answer means the same."""
    return FieldRule("dropped", note)


def refused(note: str) -> FieldRule:
    """Return the rule of a field that is answered with a 400."""
    return FieldRule("refused", note)


class TranslatedStream(Protocol):
    """One stream on its way back to the client."""

    def feed(self, events: bytes) -> bytes:
        """Take whole server-sent events of the target's dialect; return whole ones of the source's, maybe none yet."""

    def finish(self) -> bytes:
        """The stream has ended: return what is still to be said."""


class Translation(Protocol):
    """A client's dialect (`source`) served by a provider of another one (`target`)."""

    @property
    def source(self) -> Dialect: ...

    @property
    def target(self) -> Dialect: ...

    @property
    def rules(self) -> Mapping[str, FieldRule]:
        """Every top-level field of the source's request body; nested ones as "messages[].name"."""

    def request(self, fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
        """Return the target's body for the client's decoded one; `model` is the target's name.

        `output_tokens` is the limit to set when the call states none (None: the default of the mapping).

        Raises:
            InvalidRequest: a field is unknown, of a wrong type or cannot be said to the target; `param` names it.
        """

    def answer(self, body: bytes, *, model: str, request_id: str) -> bytes:
        """Return a whole answer (status 2xx) in the source's dialect; `model` is the name to show."""

    def error(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        """Return a provider's error in the source's dialect, and its status there."""

    def stream(
        self, *, model: str, wants_usage: bool, request_id: str, cost_usd: Callable[[], str | None]
    ) -> TranslatedStream:
        """Return a translator for one stream.

        `cost_usd()` is asked when the usage is written, for `usage.cost` (OpenAI clients that asked for usage); None
        leaves it out.
        """
