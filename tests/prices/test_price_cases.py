"""What known calls cost, from the answer as the provider sends it to the charge: `cases/*.txt`, each with its source.

A case is a line: the model, a time, the tier asked for (or the route: `batch`, `search`), the answer, the expected cost as
arithmetic written by hand, and in what genai-prices differs, if it does. Every difference has a name, explained here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price, extract_usage
from genai_prices_oracle import COUNTS

from tollkeeper.domain.price import charge_for, charge_reported, price_tier
from tollkeeper.domain.rate_card import card_of
from tollkeeper.domain.usage import FEE_DIMENSIONS, UNIT_DIMENSIONS, Charge, CostState, Usage
from tollkeeper.gateway.wire.answers import read_answer
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.prices.book import CompiledBook

BOOK = CompiledBook.load()
FILES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
DIALECTS: dict[str, Dialect] = {"anthropic": "anthropic", "google": "gemini"}
FLAVORS = {"openai": "chat", "x-ai": "chat", "deepseek": "chat"}
DIFFERENCES = {
    "unknown tier": "it prices a tier that it does not know as the standard one; here it is unpriced",
    "tiers of Gemini": "it has batches of most Gemini models, and no flex and priority; Google says half, and 1.8 times",
    "place": "it does not know `inference_geo`, which costs a tenth more",
    "iterations": "it reads the whole's figures only; compactions and advisors are billed besides",
    "grounding": "its extractor does not count Gemini's queries",
    "searches": "it has no fee for the search that these models make for every call",
    "reported": "it prices tokens; xAI says what it bills",
    "working days": "it has DeepSeek's peak hours on every day; DeepSeek's page says Monday through Friday",
    "containers": "it has no price for sessions",
    "twelve hours": "it has one price for cache writes of OpenAI, that of 30 minutes",
    "free": "it has the model without any price",
    "nobody has it": "it does not have the model or the thing either",
}
_TERM = re.compile(r"(\d+)\*([\d.]+)(/k|/each)?")
_NANOS = {None: 1_000, "/k": 10**6, "/each": 10**9}  # of one unit at a price of 1


class Case(msgspec.Struct):
    provider: str
    model: str
    at: datetime
    asked: str
    answer: bytes
    expected: str
    difference: str
    is_units: bool

    @property
    def nanos(self) -> int | None:
        """What the arithmetic comes to, each term rounded to the nano, half to even; ticks half up."""
        if self.expected == "unpriced":
            return None
        if self.expected.startswith("reported "):
            return (int(self.expected.split()[1].partition("/")[0]) + 5) // 10
        terms = [_TERM.fullmatch(term) for term in self.expected.split(" + ")]
        return sum(round(int(term[1]) * Fraction(term[2]) * _NANOS[term[3]]) for term in terms if term is not None)


def read(path: Path) -> list[Case]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        model, at, asked, answer, expected, difference = (part.strip() for part in line.split(" | "))
        is_units = path.stem == "units"
        time = datetime.fromisoformat(at).replace(tzinfo=UTC)
        provider = "openai" if is_units else path.stem
        found.append(Case(provider, model, time, asked, answer.encode(), expected, difference, is_units))
    return found


CASES = [case for path in FILES for case in read(path)]


def usage_of(case: Case) -> tuple[str, Usage]:
    """Return the model that the answer names and the usage that Tollkeeper reads from it."""
    if case.is_units:
        return case.model, Usage(msgspec.json.decode(case.answer)["quantities"])
    stated = read_answer(DIALECTS.get(case.provider, "openai"), case.answer)
    assert stated.usage is not None
    usage = stated.usage
    if case.asked == "search":
        usage = msgspec.structs.replace(usage, quantities={**usage.quantities, "web_search": 1})
    return stated.model, usage


def charge_of(case: Case) -> Charge:
    model, usage = usage_of(case)
    assert model == case.model
    if usage.reported_nanos is not None and case.provider == "x-ai":
        return charge_reported(usage.reported_nanos, "xai")
    asked = "" if case.asked in {"batch", "search"} else case.asked
    tier = price_tier(usage.service_tier, asked, is_batch=case.asked == "batch")
    return charge_for(
        BOOK.find(case.provider, model),
        usage,
        at_us=int(case.at.timestamp()) * 1_000_000,
        tier=tier,
        find=lambda other: BOOK.find(case.provider, other),
    )


def names(case: Case) -> str:
    return f"{case.provider}-{case.model}-{case.expected.replace(' ', '')}"


@pytest.mark.parametrize("case", CASES, ids=names)
def test_a_call_costs_what_its_arithmetic_says(case: Case) -> None:
    for term in case.expected.split(" + "):
        assert case.expected == "unpriced" or case.expected.startswith("reported ") or _TERM.fullmatch(term)
    charge = charge_of(case)
    assert charge.amount_nanos == case.nanos, charge
    assert (charge.state is CostState.UNPRICED) is (case.nanos is None)
    assert charge.amount_nanos is None or charge.amount_nanos == sum(line.amount_nanos for line in charge.lines)


@pytest.mark.parametrize("case", [case for case in CASES if case.nanos is not None and "reported" not in case.expected])
def test_no_charge_exceeds_the_ceiling_of_its_tokens_and_fees(case: Case) -> None:
    model, usage = usage_of(case)
    if any("@" in dimension or ":" in dimension for dimension in usage.quantities):
        return  # of another model's card, or of an image's kind: nothing bounds those beforehand
    prices = BOOK.find(case.provider, model)
    assert prices is not None
    asked = "" if case.asked in {"batch", "search"} else case.asked
    tier = price_tier(usage.service_tier, asked, is_batch=case.asked == "batch")
    rates = prices.rates(int(case.at.timestamp()) * 1_000_000, tier)
    assert rates is not None
    card = card_of(rates).at_percent(usage.percent)
    others = {name: count for name, count in usage.quantities.items() if name in FEE_DIMENSIONS | UNIT_DIMENSIONS}
    fees = card.fees_nanos(others)
    assert fees is not None
    assert case.nanos is not None
    assert case.nanos <= card.ceiling_nanos(usage.input_total, usage.output_total) + fees


def test_there_are_enough_cases_and_every_difference_is_explained() -> None:
    assert len(CASES) >= 380
    assert len({(case.model, case.answer, case.at, case.asked) for case in CASES}) == len(CASES)
    assert {case.difference for case in CASES} == {"", *DIFFERENCES}
    for path in FILES:
        assert re.search(r"read 2026-11-\d\d", path.read_text(encoding="utf-8")[:500])


def their_context(case: Case, usage: Usage) -> dict[str, str] | None:
    if case.asked == "batch":
        return {"processing": "batch"}
    tier = price_tier(usage.service_tier, "" if case.asked == "search" else case.asked)
    return {"fast_mode": {"speed": "fast"}, "standard": None}.get(tier, {"service_tier": tier})


def their_usage(case: Case, usage: Usage) -> Any:
    if not case.is_units:
        answer = msgspec.json.decode(case.answer)
        flavor = FLAVORS.get(case.provider, "default")
        if case.provider == "openai" and "completion_tokens" not in answer["usage"]:
            flavor = "embeddings"
        return extract_usage(answer, provider_id=case.provider, api_flavor=flavor).usage
    counts: dict[str, int] = {}
    for dimension, quantity in usage.quantities.items():
        for count in COUNTS.get(dimension, ()):
            counts[count] = counts.get(count, 0) + quantity
    return TheirUsage(**counts)


def their_nanos(case: Case) -> Fraction:
    """Return what genai-prices makes of the same answer.

    Raises:
        LookupError: it does not have the model.
    """
    _, usage = usage_of(case)
    price = calc_price(
        their_usage(case, usage),
        case.model,
        provider_id=case.provider,
        genai_request_timestamp=case.at,
        price_context=their_context(case, usage),
    )
    return Fraction(price.total_price) * 10**9


@pytest.mark.parametrize("case", [case for case in CASES if not case.difference], ids=names)
def test_genai_prices_agrees(case: Case) -> None:
    assert case.nanos is not None
    lines = len(case.expected.split(" + "))
    assert abs(their_nanos(case) - case.nanos) <= Fraction(lines, 2)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.difference not in {"", "nobody has it", "free"}], ids=names
)
def test_where_a_difference_is_named_there_is_one(case: Case) -> None:
    theirs = their_nanos(case)
    assert case.nanos is None or abs(theirs - case.nanos) > len(case.expected.split(" + "))


@pytest.mark.parametrize("case", [case for case in CASES if case.difference == "nobody has it"], ids=names)
def test_what_nobody_has_it_does_not_have_either(case: Case) -> None:
    try:
        theirs = their_nanos(case)
    except LookupError:
        return
    assert theirs != (case.nanos or -1)
