"""Names that people chose, made fit for an e-mail to somebody else: one line, bounded, and nothing that becomes a link."""

from __future__ import annotations

import re
import unicodedata

NAME_LENGTH_MAX = 80
NOTHING = "–"

_JOINERS = "\u200c\u200d"  # Persian and emoji need them
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BREAK = "\u200b"
_ADDRESS = re.compile(r"[A-Za-z0-9_+%-]+(\.[A-Za-z0-9_+%-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_LINK_MARKS = re.compile(r"(?<=[.。．｡])(?=[^\W\d_])|(?<=:)(?=[/\\])")  # 1.5 stays as it is: no domain ends in a digit


def shown_person(text: str) -> str:
    """Return a person's name or e-mail address as a mail may show it: an address stays whole, because people copy it.

    What a mail program makes of one leads to a letter at most, not to a page.
    """
    return text if len(text) <= NAME_LENGTH_MAX and _ADDRESS.fullmatch(text) else shown(text)


def shown(text: str) -> str:
    """Return a name as a mail may show it; a dash for a name of which nothing is left.

    Line breaks would begin headers, marks of writing direction make text read backwards, and most mail programs turn
    anything like `evil.example` into a link: whoever may invite people could otherwise send them anywhere in our name.
    A zero-width space behind each dot and colon ends such a link where it begins, and is not seen.
    """
    line = " ".join(unicodedata.normalize("NFC", text[: NAME_LENGTH_MAX * 4]).split())
    visible = "".join(each for each in line if each in _JOINERS or unicodedata.category(each) not in _HIDDEN_CATEGORIES)
    bounded = visible if len(visible) <= NAME_LENGTH_MAX else f"{visible[: NAME_LENGTH_MAX - 1]}…"
    return _LINK_MARKS.sub(_BREAK, bounded.strip()) or NOTHING
