"""Whether a model's name satisfies a match clause of the compiled catalogue.

A clause is `["equals" | "starts_with" | "ends_with" | "contains" | "regex", text]`, or `["or" | "and", clause, ...]`.
Names are compared in lower case, as genai-prices compares them; a regular expression searches and is case-sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

_TESTS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda name, text: name == text,
    "starts_with": lambda name, text: name.startswith(text),
    "ends_with": lambda name, text: name.endswith(text),
    "contains": lambda name, text: text in name,
    "regex": lambda name, text: re.search(text, name) is not None,
}
_COMPACT_DATE = re.compile(r"-(20\d{2})(\d{2})(\d{2})(?=-|:|$)")


def is_match(clause: list[Any], name: str) -> bool:
    """Tell whether `name`, in lower case, satisfies the clause."""
    kind = clause[0]
    if kind == "or":
        return any(is_match(part, name) for part in clause[1:])
    if kind == "and":
        return all(is_match(part, name) for part in clause[1:])
    text: str = clause[1]
    return _TESTS[kind](name, text)


def with_dashed_date(name: str) -> str:
    """Rewrite compact dates, `gpt-5.2-20251211` to `gpt-5.2-2025-12-11`; what is no date stays as it is."""
    return _COMPACT_DATE.sub(_dashed, name)


def _dashed(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.groups())
    try:
        date(year, month, day)
    except ValueError:
        return match.group(0)
    return f"-{year:04d}-{month:02d}-{day:02d}"
