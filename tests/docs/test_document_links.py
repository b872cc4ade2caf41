"""Links between documents lead somewhere, headings included."""

from __future__ import annotations

import pytest
from documents import ROOT, Document, documents

ALL = list(documents())


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    assert _broken(page) == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_a_page_has_one_title(page):
    titles = [line for line in page.prose.splitlines() if line.startswith("# ")]
    assert len(titles) == 1


def test_a_broken_link_is_noticed():
    broken = Document("docs/x.md", "# X\n[a](nowhere.md) [b](../README.md#nowhere) [c](#y) [d](#x) [e](../README.md)\n")
    assert _broken(broken) == ["nowhere.md", "../README.md#nowhere", "#y"]


def _broken(page: Document) -> list[str]:
    return [link for link in page.links() if "://" not in link and not _leads_somewhere(page, link)]


def _leads_somewhere(page: Document, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.folder / path).resolve() if path else ROOT / page.name
    if path and (not target.exists() or not target.is_relative_to(ROOT)):
        return False
    if not anchor:
        return True
    text = target.read_text(encoding="utf-8") if path else page.text
    return anchor in Document(page.name, text).anchors()
