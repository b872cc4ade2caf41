"""What a label of a call may be: how many, how long, and of which characters."""

from __future__ import annotations

import re

LABELS_MAX = 16
VALUE_LENGTH_MAX = 128
_NAME = re.compile(r"[\w.\-]{1,64}")


def check_label(name: str, value: str) -> str:
    """Return what is wrong with a label, in a few words; "" when it is good."""
    if not _NAME.fullmatch(name):
        return "a name must have 1 to 64 letters, digits, _ . -"
    if len(value) > VALUE_LENGTH_MAX or not value.isprintable():
        return f"the value of '{name}' has more than {VALUE_LENGTH_MAX} characters, or not printable ones"
    return ""
