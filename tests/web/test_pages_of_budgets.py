"""The pages of budgets: what they say of a limit that was just set."""

from __future__ import annotations

import random

import pytest
from tests.analytics.ledger import Ledger, open_ledger
from tests.web.visitors import Browser, browser_of, faces_of

from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

REFUSES = "The budget is set, below what is used already: its calls are refused until it begins anew or is raised."
BELOW = "The budget is set, below what is used already."


@pytest.fixture
async def busy(store: Store) -> Ledger:
    """A workshop of whose calls 40 were made today."""
    ledger, at_us = await open_ledger(store), now_us()
    dice = random.Random(3)
    await ledger.add([at_us - dice.randrange(1_000_000) for _ in range(40)], seed=1)
    return ledger


async def said_after(browser: Browser, path: str, fields: dict[str, str]) -> tuple[str, str]:
    """Send a form; returns the address that it leads to, and the page there."""
    answer = await browser.send(path, fields)
    assert answer.status_code == 303
    return answer.headers["location"].partition("?")[0], (await browser.open(answer.headers["location"])).text


async def test_a_limit_below_what_is_used_already_is_set_with_a_warning(busy: Ledger) -> None:
    browser = await browser_of(faces_of(busy.workshop.store), busy.workshop.company, busy.workshop.admin)
    new = f"/{busy.id}/budgets/new"
    terms = {"scope": busy.id, "unit": "requests", "period": "total", "hard_limit": "1"}
    path, page = await said_after(browser, new, terms | {"amount": "41"})
    assert "The budget is set." in page
    assert "below what is used" not in page
    assert 'class="notice"' in page
    for fields, said in (({"hard_limit": "1"}, REFUSES), ({}, BELOW)):
        _, page = await said_after(browser, path, {"do": "set", "amount": "39", **fields})
        assert f'<p class="notice warning" role="status">{said}</p>' in page
    _, page = await said_after(browser, path, {"do": "set", "amount": "40", "hard_limit": "1"})
    assert "below what is used" not in page, "all of it is used, and not more"
    _, page = await said_after(browser, new, terms | {"scope": busy.workshop.team.id, "amount": "1", "period": "daily"})
    assert REFUSES in page
