r"""The simulator's tokenizer: cheap, deterministic, lossless, and deliberately not OpenAI's.

A piece is up to six letters or three digits with one leading space, a single CJK or Hangul character, one other
character, or a run of white space. Usage is what the provider says it is, so nothing has to agree with this.
"""

from __future__ import annotations

import re

_WIDE = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE = re.compile(rf"\s?[A-Za-z]{{1,6}}|\s?[0-9]{{1,3}}|[{_WIDE}]|\s?[^\sA-Za-z0-9{_WIDE}]|\s+")


def pieces(text: str) -> list[str]:
    """Split `text` into tokens; joined together they are `text` again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Return how many tokens `text` is."""
    return len(_PIECE.findall(text))
