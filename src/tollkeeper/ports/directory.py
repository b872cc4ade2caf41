"""What the data plane asks about keys: who is this, answered from memory when the key is warm."""

from __future__ import annotations

from typing import Protocol

from tollkeeper.domain.api_key import ApiKey


class Directory(Protocol):
    """Finds keys by the digest of the whole key. What it holds in memory is at most 1 s behind the store."""

    def recall(self, digest: bytes) -> ApiKey | None:
        """Return a key held in memory; None says nothing about whether it exists."""
        ...

    async def find(self, digest: bytes) -> ApiKey | None:
        """Look a key up, in the store when it must be; None when there is no such key.

        Raises:
            DirectoryUnavailable: the store is out of reach and the key is not in memory.
        """
        ...
