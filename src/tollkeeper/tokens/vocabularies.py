"""Which vocabulary a model's tokens are counted with, and by how much the count is raised for models of other makers."""

from __future__ import annotations

import re
from typing import NamedTuple

_CL100K_PREFIXES = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-", "davinci-002", "babbage-002")
_CLAUDE_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_CLAUDE_NEW_TOKENIZER = (4, 7)


class Vocabulary(NamedTuple):
    """`name` is tiktoken's; the count is raised to `percent` of what that vocabulary gives, rounded up."""

    name: str
    percent: int = 100


def vocabulary_for(model: str) -> Vocabulary:
    """Return the vocabulary of a model, or the nearest known one.

    OpenAI's are exact: o200k_base from gpt-4o on (gpt-oss adds only special tokens to it), cl100k_base for gpt-4,
    gpt-3.5 and the text embeddings. Source: tiktoken 0.14 `tiktoken/model.py`, 2026-11-21. Anthropic and Google
    publish no vocabulary; the rules of thumb, unverified, are 115 % of o200k_base for Claude, 150 % from 4.7 on, and
    105 % for Gemini. Models nobody knows are counted as o200k_base.
    """
    name = model.lower().rsplit("/", 1)[-1].removeprefix("ft:")
    if "claude" in name:
        return Vocabulary("o200k_base", 115 if _is_older_claude(name[name.index("claude") :]) else 150)
    if name.startswith("gemini"):
        return Vocabulary("o200k_base", 105)
    if name.startswith(_CL100K_PREFIXES) or name == "gpt-4" or name.startswith("gpt-4:"):
        return Vocabulary("cl100k_base")
    return Vocabulary("o200k_base")


def _is_older_claude(name: str) -> bool:
    match = _CLAUDE_VERSION.match(name)
    if match is None:
        return False  # not said: rather too many tokens than too few
    return (int(match[1]), int(match[2] or 0)) < _CLAUDE_NEW_TOKENIZER
