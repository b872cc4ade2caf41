"""What is stated of models: by every name that they have, and never beyond the bounds that calls are reserved by."""

from __future__ import annotations

import pytest

from tollkeeper.domain.model_facts import _STATED, NOTHING, facts_of
from tollkeeper.domain.model_limits import limits_of
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.known_models import CatalogueModels

NAMES = [name for names, *_ in _STATED for name in names.split()]
KINDS = {"text", "image", "audio", "video", "pdf", "embedding"}


def test_no_model_is_stated_twice_and_kinds_are_known_ones() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert all(set(facts.inputs or ()) | set(facts.outputs or ()) <= KINDS for facts in map(facts_of, NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_is_within_what_is_reserved(name: str) -> None:
    facts, limits = facts_of(name), limits_of(name)
    if limits is not None:
        assert (facts.context_window or 0) <= limits.window
        assert (facts.output_limit or 0) <= limits.output


def test_snapshots_vendors_and_fine_tuned_models_have_the_facts_of_their_model() -> None:
    for name in ("gpt-4o-2024-08-06", "openai/gpt-4o", "ft:gpt-4o:acme::1", "GPT-4o"):
        assert facts_of(name) is facts_of("gpt-4o")
    assert facts_of("gpt-4o-new-and-other") is NOTHING


def test_an_answer_of_its_own_is_told_and_a_whole_window_is_not() -> None:
    assert facts_of("claude-opus-5-5").output_limit == 128_000
    assert facts_of("grok-build-0.1").output_limit is None
    assert facts_of("gpt-4").output_limit is None


def test_the_catalogue_fills_in_the_window_alone() -> None:
    known = CatalogueModels(CompiledBook.load()).known
    opus = known("anthropic", "claude-opus-5-5")
    assert (opus.facts.context_window, opus.facts.inputs, opus.is_deprecated) == (1_000_000, None, False)
    assert known("openai", "gpt-4.1").facts.context_window == 1_047_576, (
        "its maker's figure, not the catalogue's rounded one"
    )
    assert known("google", "gemini-2.0-flash").is_deprecated
    resold = known("openrouter", "openai/gpt-4o").facts
    assert (resold.output_limit, resold.inputs) == (None, None)
    assert known("", "gpt-4o") == known("nobody", "gpt-4o")
    assert known("", "gpt-4o").facts is NOTHING
