"""What a name may be: of organizations, teams, projects, roles and keys."""

from __future__ import annotations

import unicodedata

from tollkeeper.domain.errors import InvalidRequest

NAME_LENGTH_MAX = 100


def check_name(name: str, *, param: str = "name") -> str:
    """Return a name without surrounding space, in Unicode's composed form, so that equal names look equal.

    Raises:
        InvalidRequest: it has no characters, too many, or some that cannot be printed.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise InvalidRequest(f"A name must have 1 to {NAME_LENGTH_MAX} printable characters.", param=param)
    return name
