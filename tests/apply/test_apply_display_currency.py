"""A display currency in an organization's file: applied, exported again in sync, taken away, and refused with its line."""

from __future__ import annotations

import pytest
from blueprint_factories import Desk, make_desk, shown

from tollkeeper.control.organizations import get_organization
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.engine import Store

FILE = """\
organization:
  display_currency: {code: KRW, rate: 1385.25, rate_date: 2025-01-31, source: "Bank of Korea"}
"""


async def currency_of(desk: Desk) -> DisplayCurrency | None:
    found = await desk.administration.look(desk.caller, get_organization, desk.organization_id)
    return found.display_currency


@pytest.fixture
async def desk(store: Store) -> Desk:
    return await make_desk(store)


async def test_a_file_brings_a_currency_about_and_an_export_has_it(desk: Desk) -> None:
    plan = await desk.plan(FILE)
    (change,) = plan.changes
    (field,) = change.fields
    assert (field.name, field.before) == ("display_currency", "–")
    assert field.after == "1 USD = 1385.25 KRW on 2025-01-31 (Bank of Korea)"
    await desk.apply(FILE)
    assert await currency_of(desk) == DisplayCurrency("KRW", 1_385_250_000, "2025-01-31", "Bank of Korea")
    exported = await desk.export()
    assert "rate: 1385.25" in exported
    assert shown(await desk.plan(exported)) == []
    assert shown(await desk.plan("organization: {language: en}")) == [], "what is left out stays"
    await desk.apply("organization: {display_currency: null}")
    assert await currency_of(desk) is None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("KRW", "WON", r"display_currency\.code: .*ISO 4217.*line 2"),
        ("1385.25", "1e3", r"display_currency\.rate: .*no rate per dollar.*line 2"),
        ("2025-01-31", "31.1.2025", r"display_currency\.rate_date: .*no day.*line 2"),
        (', source: "Bank of Korea"', "", "the field 'source' is missing"),
        ("rate:", "rates:", "Did you mean 'rate'"),
    ],
)
async def test_what_makes_no_sense_says_where(desk: Desk, old: str, new: str, what: str) -> None:
    with pytest.raises(InvalidRequest, match=what):
        await desk.plan(FILE.replace(old, new))
