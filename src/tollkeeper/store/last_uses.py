"""When the last use of a key is worth writing down: at most once a minute per key, with the usage it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollkeeper.domain.usage import UsageRecord

_INTERVAL_US = 60_000_000
_KEYS_MAX = 100_000


class LastUses:
    """Remembers what was written for which key; forgets everything when that becomes too much."""

    def __init__(self) -> None:
        self._written_us: dict[tuple[str, str], int] = {}

    def due(self, records: list[UsageRecord]) -> list[tuple[str, str, int]]:
        """Return (organization, key, last use) of the keys whose entry is too old, sorted."""
        found: dict[tuple[str, str], int] = {}
        for record in records:
            key = (record.organization_id, record.api_key_id)
            if record.started_at_us > found.get(key, self._written_us.get(key, -_INTERVAL_US) + _INTERVAL_US):
                found[key] = record.started_at_us
        return [(*key, at_us) for key, at_us in sorted(found.items())]

    def written(self, uses: list[tuple[str, str, int]]) -> None:
        """Take note that these were committed."""
        if len(self._written_us) + len(uses) > _KEYS_MAX:
            self._written_us.clear()
        self._written_us.update({(organization_id, key_id): at_us for organization_id, key_id, at_us in uses})
