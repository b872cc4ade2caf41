"""What the data plane does with calls that it refused: it notes them, off the path; and where the notes go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tollkeeper.domain.call_decision import RefusedCall


class RefusalLog(Protocol):
    """Keeps refused calls, so that each can be explained."""

    def note(self, refused: RefusedCall) -> None:
        """Note a refused call. Never blocks and never raises; in a flood some are dropped and counted."""
        ...


class RefusalStore(Protocol):
    """Where noted refusals go for good."""

    async def insert_refusals(self, refused: Sequence[RefusedCall]) -> None:
        """Insert refused calls in one transaction; those already there change nothing.

        Raises:
            StoreUnavailable: try again later; nothing was changed.
        """
        ...


class ForgetRefusals:
    """The log that keeps nothing."""

    def note(self, refused: RefusedCall) -> None:
        pass
