"""Where a price can be looked up: the page it was read on, the provider's page of prices, or nowhere."""

from __future__ import annotations

import pytest

from tollkeeper.prices.catalogue import CatalogueFile
from tollkeeper.prices.links import link_of

CATALOGUE = CatalogueFile.open()


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("ai.google.dev/gemini-api/docs/pricing, priority, read 2026-11-21", "https://ai.google.dev/gemini-api/docs/pricing"),
        ("https://api-docs.deepseek.com/quick_start/pricing, read 2026-11-21", "https://api-docs.deepseek.com/quick_start/pricing"),
        ("own price_0123456789abcdefghij", None),
        ("reported by xai", None),
        ("javascript:alert(1)", None),
        ("http://plain.example.com/", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_source_leads_to_the_page_that_it_names_or_nowhere(source: str, link: str | None) -> None:
    assert link_of(source, "openai") == link


def test_a_price_of_the_catalogue_leads_to_its_providers_page() -> None:
    source = f"{CATALOGUE.source} gpt-4o"
    assert link_of(source, "openai") == CATALOGUE.header.providers["openai"].pricing_urls[0]
    assert link_of(source, "a provider of one's own name") == CATALOGUE.header.source
