"""Which translation serves a call at a provider of another dialect."""

from __future__ import annotations

from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.translation import Dialect, Translation

_TRANSLATIONS: dict[tuple[Dialect, Dialect], Translation] = {}
_TRANSLATED = frozenset({"chat.completions", "messages"})


def find_translation(call: Call, target: Dialect) -> Translation | None:
    """Return the translation of a call for a provider of the dialect `target`; None when there is none."""
    return _TRANSLATIONS.get((call.dialect, target)) if call.operation in _TRANSLATED else None
