"""What the data plane asks about text: how many tokens is it, when the provider did not say."""

from __future__ import annotations

from typing import Protocol


class TokenCounter(Protocol):
    """Counts tokens off the path of a call."""

    async def count(self, model: str, texts: list[str]) -> list[int]:
        """Return the number of tokens of each text, by the model's tokenizer or the nearest known one; never raises."""
        ...
