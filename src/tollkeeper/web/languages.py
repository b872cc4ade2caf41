"""The languages of our pages, and which of them a browser likes best."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")


def choose_language(accepted: str) -> Language:
    """Return the language of ours that an Accept-Language header likes best; English when it likes none."""
    best, best_weight = LANGUAGES[0], 0
    for part in accepted.split(","):
        name, _, weight_text = part.strip().partition(";")
        primary = name.strip().lower().partition("-")[0]
        language = next((each for each in LANGUAGES if each == primary), None)
        if language is not None and (weight := _weight(weight_text)) > best_weight:
            best, best_weight = language, weight
    return best


def _weight(text: str) -> int:
    """Read `q=0.8` in thousandths (RFC 9110, 12.4.2); nothing stands for 1, nonsense for 0."""
    if not text.strip():
        return 1000
    match = re.fullmatch(r"q=([01])(?:\.([0-9]{0,3}))?", text.strip().replace(" ", "").lower())
    return int(match.group(1)) * 1000 + int((match.group(2) or "").ljust(3, "0")) if match else 0
