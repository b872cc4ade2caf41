"""The page of what becomes of a request's fields where client and provider speak different dialects."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.reference.markdown import code, page, table

from tollkeeper.gateway.wire import (
    anthropic_to_gemini,
    anthropic_to_openai,
    openai_to_anthropic,
    openai_to_gemini,
    openai_to_gemini_embeddings,
)
from tollkeeper.gateway.wire.translation import FieldRule, Translation

TRANSLATIONS: tuple[tuple[str, Translation], ...] = (
    ("OpenAI chat completions, served by Anthropic", openai_to_anthropic.TRANSLATION),
    ("OpenAI chat completions, served by Gemini", openai_to_gemini.TRANSLATION),
    ("OpenAI embeddings, served by Gemini", openai_to_gemini_embeddings.FLOATS),
    (
        "Anthropic Messages, served by OpenAI, DeepSeek, xAI and others of OpenAI's dialect",
        anthropic_to_openai.TRANSLATION,
    ),
    ("Anthropic Messages, served by Gemini", anthropic_to_gemini.TRANSLATION),
)

INTRODUCTION = """\
A call to a provider of its own dialect passes as the bytes that came. Otherwise it is translated, and its answer back: whole
answers, streams and errors. These tables say what becomes of each field. *Same*: it is said in the same words. *Mapped*: it
is said in the provider's words. *Dropped*: the provider has nothing like it and the answer means the same without it.
*Refused*: the answer is a 400 that names the field, as it is for every field that is not listed."""


def render() -> str:
    """Return the page."""
    sections: list[str] = []
    for title, translation in TRANSLATIONS:
        sections += [f"## {title}", table(("field", "what becomes of it", "how"), _rows(translation.rules))]
    return page("Translated calls", INTRODUCTION, *sections)


def _rows(rules: Mapping[str, FieldRule]) -> list[tuple[str, str, str]]:
    return [(code(name), rule.how, rule.note) for name, rule in rules.items()]
