"""What the catalogue has beyond genai-prices: each addition with its source, and where the two differ on purpose."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.price import charge_for
from tollkeeper.domain.usage import CostState, Usage
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.drafts import PriceDraft, to_rows

BOOK = CompiledBook.load()
STATED: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[2] / "scripts" / "price-additions.toml").read_text(encoding="utf-8")
)
FRIDAY, SATURDAY, SUNDAY, MONDAY = (datetime(2026, 11, day, tzinfo=UTC) for day in (20, 21, 22, 23))


def us(day: datetime, hour: int) -> int:
    return int(day.timestamp() + hour * 3600) * 1_000_000


def test_every_addition_says_where_it_is_published_and_when_it_was_read() -> None:
    for row in [*STATED["price"], *STATED["window"], *STATED["tier"]]:
        assert "." in row["source"].partition("/")[0]
        assert date(2026, 1, 1) < row["read"] <= date(2026, 11, 22)


@pytest.mark.parametrize("row", STATED["price"], ids=lambda row: f"{row.get('models', [''])[0]}-{row['dimension']}")
def test_an_added_price_is_charged_with_its_source(row: dict[str, Any]) -> None:
    for model in row.get("models", ["gpt-6.1-sol"]):
        charge = charge_for(
            BOOK.find("openai", model), Usage({row["dimension"]: 1_000}), at_us=us(FRIDAY, 12), tier="standard"
        )
        assert charge.state is CostState.COMPUTED
        (line,) = charge.lines
        assert line.source == f"{row['source']}, read {row['read'].isoformat()}"


@pytest.mark.parametrize(
    ("day", "hour", "nanos"),
    [
        (FRIDAY, 0, 150), (FRIDAY, 1, 300), (FRIDAY, 3, 300), (FRIDAY, 4, 150), (FRIDAY, 6, 300), (FRIDAY, 9, 300),
        (FRIDAY, 10, 150), (SATURDAY, 2, 150), (SATURDAY, 7, 150), (SUNDAY, 2, 150), (SUNDAY, 7, 150), (MONDAY, 1, 300),
        (MONDAY, 9, 300), (MONDAY, 23, 150),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ["deepseek-flash", "deepseek-v4-flash"])
def test_deepseeks_peak_is_of_working_days_as_its_own_page_says(
    model: str, day: datetime, hour: int, nanos: int
) -> None:
    """genai-prices has the hours on every day; DeepSeek says Monday through Friday since 2026-08-23. Public holidays of China
    are off-peak too, by its Chinese page: they have no fixed dates and are priced as working days here.
    """
    usage = Usage({"input": 1_000})
    charge = charge_for(BOOK.find("deepseek", model), usage, at_us=us(day, hour), tier="standard")
    assert charge.amount_nanos == 1_000 * nanos
    at = datetime.fromtimestamp(us(day, hour) // 1_000_000, UTC)
    theirs = calc_price(TheirUsage(input_tokens=1_000), model, provider_id="deepseek", genai_request_timestamp=at)
    is_weekend = day in {SATURDAY, SUNDAY}
    is_peak_hour = hour in {1, 2, 3, 6, 7, 8, 9}
    assert (theirs.total_price * 10**9 == charge.amount_nanos) is not (is_weekend and is_peak_hour)


def test_a_container_costs_by_its_memory() -> None:
    usage = Usage({"code_session": 2, "code_session:4g": 1, "code_session:64g": 1})
    charge = charge_for(BOOK.find("openai", "gpt-6-sol"), usage, at_us=us(FRIDAY, 12), tier="standard")
    assert [line.amount_nanos for line in charge.lines] == [60_000_000, 120_000_000, 1_920_000_000]


def test_a_write_for_twelve_hours_is_twice_one_for_thirty_minutes_beyond_the_threshold_too() -> None:
    for read, factor in ((0, 1), (300_000, 2)):
        usage = Usage({"cache_write_12h": 1_000, "cache_write_30m": 1_000, "cache_read": read})
        charge = charge_for(BOOK.find("openai", "gpt-5.6-sol"), usage, at_us=us(FRIDAY, 12), tier="standard")
        assert [line.amount_nanos for line in charge.lines][:2] == [1_000 * 10_000 * factor, 1_000 * 5_000 * factor]


def test_moderations_are_free_by_price() -> None:
    for quantities in ({}, {"input": 50}):
        charge = charge_for(
            BOOK.find("openai", "omni-moderation-latest"), Usage(quantities), at_us=us(FRIDAY, 12), tier="standard"
        )
        assert (charge.state, charge.amount_nanos) == (CostState.COMPUTED, 0)


@pytest.mark.parametrize(
    ("dimension", "usd_per_million", "is_taken"),
    [
        ("web_search", "10000", True), ("image:high:1024x1024", "40000", True), ("code_session:64g", "1920000", True),
        ("image", "2000000000", False), ("input", "2000000", False), ("input:low", "1", False), ("image:", "1", False),
        ("image:a b", "1", False), ("input@gpt-4o", "1", False), ("searches", "1", False),
    ],
)  # fmt: skip
def test_own_prices_are_taken_for_fees_and_units_of_any_kind(
    dimension: str, usd_per_million: str, is_taken: bool
) -> None:
    draft = PriceDraft("local", "painter", dimension, usd_per_million)
    if not is_taken:
        with pytest.raises(InvalidRequest):
            to_rows([draft], now_us=1)
        return
    book = BOOK.with_own_rows(to_rows([draft], now_us=1))
    charge = charge_for(book.find("local", "painter"), Usage({dimension: 2}), at_us=2, tier="standard")
    assert charge.amount_nanos == 2 * int(usd_per_million) * 1_000
