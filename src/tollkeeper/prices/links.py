"""Where a person can look a price up, by what a charge's line says that its price comes from."""

from __future__ import annotations

import re
from functools import cache

import msgspec

from tollkeeper.prices.catalogue import PATH, CatalogueHeader

_OWN = re.compile(r"price_[0-9A-Za-z]{1,64}(?![^ ])")
_PAGE = re.compile(r"(?:https://)?((?:[a-z0-9-]+\.)+[a-z]{2,}/[\w./#~%-]*)")


def link_of(source: str, provider: str) -> str | None:
    """Return the page that a price was read on, or the provider's page of prices; None for own prices and unknown ones."""
    if page := _PAGE.match(source):
        return f"https://{page.group(1)}"
    header = _header()
    if not source.startswith(f"{header.catalogue} "):
        return None
    known = header.providers.get(provider)
    return known.pricing_urls[0] if known is not None and known.pricing_urls else header.source


def own_price_of(source: str) -> str:
    """Return the id of the own price that a charge's line names; "" where it names none."""
    found = _OWN.match(source)
    return found.group(0) if found is not None else ""


@cache
def _header() -> CatalogueHeader:
    with PATH.open("rb") as file:
        return msgspec.json.decode(file.readline(), type=CatalogueHeader)
