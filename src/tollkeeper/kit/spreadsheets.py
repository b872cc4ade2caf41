"""What cells of a CSV file must not begin with, so that no spreadsheet runs them instead of showing them."""

from __future__ import annotations

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""https://owasp.org/www-community/attacks/CSV_Injection, 2026-11-22."""


def as_text(value: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, whatever a name begins with."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value
