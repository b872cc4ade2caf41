"""Tests of own prices over the catalogue's, against a slow oracle that evaluates one moment at a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.price import ModelPrices, PriceRow, PriceVersion, charge_for
from tollkeeper.domain.rate_card import Rate
from tollkeeper.domain.usage import Usage
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.own_rows import overlay, rows_for

BOOK = CompiledBook.load()
NOW_US = 1_795_262_400_000_000  # 2026-11-21T12:00Z


def row(dimension: str = "input", price_pico: int = 7, **more: object) -> PriceRow:
    fields: dict[str, object] = {
        "id": "price_a",
        "organization_id": "",
        "provider": "openai",
        "model_pattern": "gpt-4o",
        "dimension": dimension,
        "tier": "standard",
        "context_over": 0,
        "price_pico": price_pico,
        "valid_from_us": 0,
    }
    return PriceRow(**(fields | more))  # type: ignore[arg-type]


def price(book: CompiledBook, model: str, dimension: str = "input", **more: object) -> int | None:
    tokens = int(str(more.get("tokens", 1)))
    charge = charge_for(
        book.find(str(more.get("provider", "openai")), model),
        Usage({dimension: tokens}),
        at_us=int(str(more.get("at_us", NOW_US))),
        tier=str(more.get("tier", "standard")),
    )
    return charge.lines[0].price_pico if charge.lines else None


def test_an_own_price_wins_from_its_date_on_for_its_dimension_alone() -> None:
    book = BOOK.with_own_rows([row(valid_from_us=NOW_US)])
    assert price(book, "gpt-4o", at_us=NOW_US - 1) == 2_500_000
    assert price(book, "gpt-4o", at_us=NOW_US) == 7
    assert price(book, "gpt-4o", "output") == 10_000_000
    assert price(book, "gpt-4o", tier="batch") == 1_250_000
    assert price(book, "gpt-4o-mini") == 150_000
    assert price(BOOK, "gpt-4o") == 2_500_000  # a book is never changed


def test_an_own_price_of_a_model_holds_for_its_dated_names() -> None:
    book = BOOK.with_own_rows([row()])
    assert price(book, "gpt-4o-2024-08-06") == 7
    assert price(book, "GPT-4o") == 7
    assert price(book, "gpt-4o-2024-05-13") == 5_000_000  # a model of its own


def test_an_exact_dated_name_beats_the_model_it_resolves_to() -> None:
    rows = [row(model_pattern="gpt-4o-2024-08-06", price_pico=9), row(price_pico=7, valid_from_us=5)]
    book = BOOK.with_own_rows(rows)
    assert price(book, "gpt-4o-2024-08-06") == 9
    assert price(book, "gpt-4o-2024-11-20") == 7


def test_an_exact_name_beats_a_pattern_and_a_long_pattern_a_short_one_whatever_their_dates() -> None:
    rows = [
        row(price_pico=1),
        row(model_pattern="gpt-4o*", price_pico=2, valid_from_us=50),
        row(model_pattern="*", price_pico=3, valid_from_us=60),
    ]
    book = BOOK.with_own_rows(rows)
    assert price(book, "gpt-4o") == 1
    assert price(book, "gpt-4o-mini") == 2
    assert price(book, "o3") == 3
    assert price(book, "something-new") == 3


def test_a_later_row_supersedes_an_earlier_one_and_a_future_row_waits() -> None:
    rows = [
        row(price_pico=3, valid_from_us=30),
        row(price_pico=1, valid_from_us=10),
        row(price_pico=2, valid_from_us=20),
    ]
    book = BOOK.with_own_rows(rows)
    assert [price(book, "gpt-4o", at_us=at) for at in (9, 10, 20, 29, 30)] == [2_500_000, 1, 2, 2, 3]


def test_of_two_rows_from_the_same_time_the_one_written_last_wins() -> None:
    assert price(BOOK.with_own_rows([row(price_pico=1), row(price_pico=2)]), "gpt-4o") == 2


def test_a_row_of_an_organization_beats_one_for_everybody_and_is_invisible_to_others() -> None:
    rows = [row(price_pico=1, organization_id="org_a"), row(price_pico=2, valid_from_us=99)]
    assert price(BOOK.with_own_rows(rows, organization_id="org_a"), "gpt-4o") == 1
    assert price(BOOK.with_own_rows(rows, organization_id="org_b"), "gpt-4o") == 2
    assert price(BOOK.with_own_rows(rows), "gpt-4o") == 2


def test_an_own_price_replaces_the_catalogue_from_its_threshold_up() -> None:
    flat = BOOK.with_own_rows([row(model_pattern="gpt-5.6-sol")])
    assert price(flat, "gpt-5.6-sol", tokens=300_000) == 7
    above = BOOK.with_own_rows([row(model_pattern="gpt-5.6-sol", context_over=100_000)])
    assert price(above, "gpt-5.6-sol", tokens=100_000) == 4_000_000
    assert price(above, "gpt-5.6-sol", tokens=100_001) == 7
    assert price(above, "gpt-5.6-sol", tokens=300_000) == 7


def test_a_dimension_without_a_price_of_its_own_follows_the_own_price_of_its_head() -> None:
    prices = BOOK.with_own_rows([row(model_pattern="gpt-4")]).find("openai", "gpt-4")
    charge = charge_for(prices, Usage({"input": 1, "cache_read": 1, "input_audio": 1}), at_us=NOW_US, tier="standard")
    assert [(line.price_pico, line.source) for line in charge.lines] == [
        (7, "price_a"),
        (7, "price_a (as input)"),
        (7, "price_a (as input)"),
    ]
    assert price(BOOK.with_own_rows([row()]), "gpt-4o", "cache_read") == 1_250_000  # it has a price of its own


def test_a_model_of_own_rows_only_prices_cache_reads_as_input_and_nothing_else_by_guess() -> None:
    rows = [
        row(model_pattern="llama-local", provider="vllm"),
        row("output", 9, model_pattern="llama-local", provider="vllm"),
    ]
    book = BOOK.with_own_rows(rows)
    charge = charge_for(book.find("vllm", "llama-local"), Usage({"cache_read": 5}), at_us=1, tier="standard")
    assert (charge.lines[0].price_pico, charge.lines[0].source) == (7, "price_a (as input)")
    for dimension in ("cache_write_5m", "input_audio", "output_image"):
        assert price(book, "llama-local", dimension, provider="vllm") is None
    assert price(book, "llama-local", tier="flex", provider="vllm") is None
    assert price(book, "llama-other", provider="vllm") is None


def test_a_tier_of_own_rows_only_is_priced_from_them() -> None:
    book = BOOK.with_own_rows([row(tier="scale")])
    assert price(book, "gpt-4o", tier="scale") == 7
    assert price(book, "gpt-4o", "cache_read", tier="scale") == 7
    assert price(book, "gpt-4o", "output", tier="scale") is None


def test_windows_of_the_catalogue_survive_an_own_price() -> None:
    book = BOOK.with_own_rows([row("output", 5, provider="deepseek", model_pattern="deepseek-flash")])
    friday_us = NOW_US - 24 * 3_600_000_000
    peak, off_peak = friday_us - 10 * 3_600_000_000, friday_us
    for at_us, expected in ((peak, 300_000), (off_peak, 150_000)):
        assert price(book, "deepseek-flash", provider="deepseek", at_us=at_us) == expected
        assert price(book, "deepseek-flash", "output", provider="deepseek", at_us=at_us) == 5


def test_hostile_names_are_answered_and_not_kept() -> None:
    book = BOOK.with_own_rows([row(model_pattern="*")])
    for number in range(6000):
        assert book.find("nobody", f"model-{number}") is None
    assert book.find("openai", "x" * 10_000_000) is None
    assert BOOK.find("openai", "gpt-5-nano-" + "x" * 300) is None
    assert len(book._found) <= 4096
    assert max(len(model) for _, model in book._found) <= 256
    assert price(book, "gpt-4o") == 7


def test_lists_name_what_the_provider_itself_serves() -> None:
    assert "gpt-4o-mini" in BOOK.models("openai")
    assert all(BOOK.has(provider, name) for provider in BOOK.providers() for name in BOOK.models(provider))
    assert BOOK.has("openai", "gpt-4o-2024-08-06")
    assert not BOOK.has("openai", "gpt-6.2-astra")
    assert BOOK.find("google", "claude-opus-5") is not None
    assert not BOOK.has("google", "claude-opus-5")  # on Vertex AI, not under the Gemini API
    assert not BOOK.has("azure", "gpt-5.6-sol-2026-09-09")
    assert BOOK.models("nobody") == []


# --- The oracle: at one moment, for one dimension and tier, which rates are there?

DIMENSIONS, TIERS, STARTS, OVERS = (
    ("input", "cache_read", "output"),
    ("standard", "flex"),
    (0, 10, 20, 30),
    (0, 100, 200),
)


def oracle(
    base: ModelPrices | None, rows: list[PriceRow], names: list[str], slot: tuple[str, str, int]
) -> dict[int, int]:
    """Return {threshold: price} of a (dimension, tier, moment), by looking at every row and rate."""
    dimension, tier, at = slot
    rates = base.rates(at, tier) if base is not None else None

    def own_of(wanted: str) -> dict[int, int]:
        best: dict[int, tuple[tuple[object, ...], int]] = {}
        for position, candidate in enumerate(rows):
            pattern = candidate.model_pattern
            is_exact = pattern in names
            is_pattern = pattern.endswith("*") and any(name.startswith(pattern[:-1]) for name in names)
            if not (is_exact or is_pattern) or candidate.valid_from_us > at:
                continue
            if (candidate.dimension, candidate.tier) != (wanted, tier):
                continue
            nearness = -names.index(pattern) if is_exact else len(pattern)
            rank = (is_exact, nearness, candidate.valid_from_us, position)
            if candidate.context_over not in best or best[candidate.context_over][0] < rank:
                best[candidate.context_over] = (rank, candidate.price_pico)
        return {over: found for over, (_, found) in best.items()}

    def with_own(wanted: str) -> dict[int, int]:
        own = own_of(wanted)
        under = {rate.context_over: rate.price_pico for rate in rates or () if rate.dimension == wanted}
        return {over: found for over, found in under.items() if not own or over < min(own)} | own

    follows = next((rate.follows for rate in rates or () if rate.dimension == dimension), "")
    if rates is None and dimension == "cache_read":
        follows = "input"
    if follows and own_of(follows) and not own_of(dimension):
        return with_own(follows)
    return with_own(dimension)


row_lists = st.lists(
    st.builds(
        row,
        st.sampled_from(DIMENSIONS),
        st.integers(1, 10**6),
        model_pattern=st.sampled_from(["m", "m-dated", "m*", "*", "other"]),
        tier=st.sampled_from(TIERS),
        context_over=st.sampled_from(OVERS),
        valid_from_us=st.sampled_from(STARTS),
    ),
    max_size=8,
)


def following(rates: list[Rate], is_following: bool) -> tuple[Rate, ...]:
    head = {True: "input", False: ""}
    return tuple(
        Rate(
            rate.dimension,
            rate.price_pico,
            rate.context_over,
            "",
            head[is_following and rate.dimension == "cache_read"],
        )
        for rate in rates
    )


some_rates = st.lists(
    st.builds(Rate, st.sampled_from(DIMENSIONS), st.integers(1, 10**6), st.sampled_from(OVERS)),
    max_size=5,
    unique_by=lambda rate: (rate.dimension, rate.context_over),
)
tiers = st.dictionaries(st.sampled_from(TIERS), st.builds(following, some_rates, st.booleans()))
bases = st.none() | st.lists(st.builds(PriceVersion, st.sampled_from(STARTS), tiers), max_size=4).map(
    lambda versions: ModelPrices("p", "m", tuple(sorted(versions, key=lambda version: version.valid_from_us)))
)


@given(bases, row_lists)
@settings(max_examples=300, deadline=None, database=None)
def test_merged_versions_are_what_each_moment_says_by_itself(base: ModelPrices | None, rows: list[PriceRow]) -> None:
    names = ["m-dated", "m"]
    merged = overlay(base, rows_for(rows, names), provider="p", model="m")
    for at in (-1, 0, 5, 10, 15, 20, 30, 99):
        for tier in TIERS:
            rates = merged.rates(at, tier) or ()
            for dimension in DIMENSIONS:
                found = {rate.context_over: rate.price_pico for rate in rates if rate.dimension == dimension}
                assert found == oracle(base, rows, names, (dimension, tier, at)), (dimension, tier, at)
