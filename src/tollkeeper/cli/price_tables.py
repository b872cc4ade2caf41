"""How prices are shown: tables for people, and the same as plain values for `--json`. Exact digits, never a float."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table

from tollkeeper.control.prices import PriceChange
from tollkeeper.domain.money import format_usd_per_million
from tollkeeper.domain.price import STANDARD_TIER, ModelPrices, PriceRow, PriceVersion
from tollkeeper.domain.rate_card import Rate, card_of
from tollkeeper.domain.usage import Usage
from tollkeeper.kit.clock import utc
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.estimates import direct_providers, model_names

SHOWN = ("input", "cache_read", "output")
UNPRICED = "unpriced"
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


class Summary(msgspec.Struct, frozen=True):
    """A list of models with their prices in force, for people and for programs."""

    table: Table
    entries: list[dict[str, Any]]
    providers: list[str]


def wide_console() -> Console:
    """Make a console that cuts no number into two lines when its output goes into a file or a pipe."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 400
    return console


def new_table(titles: Iterable[str], *, numbers: Collection[str] = ()) -> Table:
    """Make a table without lines; the columns in `numbers` stand to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        is_number = title in numbers
        table.add_column(title, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    return table


def summary_table(book: CompiledBook, provider: str | None, pattern: str, *, at_us: int) -> Summary:
    """List the models like `pattern` with what they cost at a time, and which other tiers are sold."""
    providers = [provider] if provider is not None else direct_providers(book)
    table = new_table(("provider", "model", *SHOWN, "long context", "other tiers"), numbers=SHOWN)
    entries: list[dict[str, Any]] = []
    for name in providers:
        for model in model_names(book, name):
            found = book.find(name, model)
            if found is None or not fnmatchcase(model.lower(), pattern.lower()):
                continue
            entry = _summary(book, found, name, model, at_us=at_us)
            entries.append(entry)
            prices = [entry["usd_per_million"][dimension] or UNPRICED for dimension in SHOWN]
            over = ", ".join(f"> {threshold:,}" for threshold in entry["context_over"])
            table.add_row(name, model, *prices, over, ", ".join(entry["tiers"][1:]))
    return Summary(table, entries, providers)


def row_table(rows: list[PriceRow]) -> Table:
    """List own prices as they were added."""
    titles = ("id", "provider", "model", "dimension", "tier", "over", "USD per 1M", "from", "for", "note")
    table = new_table(titles, numbers=("over", "USD per 1M"))
    for row in rows:
        table.add_row(
            row.id,
            row.provider,
            row.model_pattern,
            row.dimension,
            row.tier,
            f"{row.context_over:,}" if row.context_over else "",
            format_usd_per_million(row.price_pico),
            moment(row.valid_from_us),
            row.organization_id or "everybody",
            row.note,
        )
    return table


def describe_row(row: PriceRow) -> dict[str, Any]:
    """Return an own price for `--json`."""
    return {
        "id": row.id,
        "organization_id": row.organization_id or None,
        "provider": row.provider,
        "model": row.model_pattern,
        "dimension": row.dimension,
        "tier": row.tier,
        "context_over": row.context_over,
        "usd_per_million": format_usd_per_million(row.price_pico),
        "valid_from": utc(row.valid_from_us),
        "note": row.note,
        "created_at": utc(row.created_at_us),
    }


def describe_change(change: PriceChange) -> str:
    """Say in a line what a new price replaces."""
    row = change.row
    over = f" over {row.context_over:,} tokens" if row.context_over else ""
    what = f"{row.provider}/{row.model_pattern} {row.dimension} ({row.tier}{over})"
    price = format_usd_per_million(row.price_pico)
    if not change.is_new:
        return f"= {what}: {price} is in force already"
    before = UNPRICED if change.before_pico is None else format_usd_per_million(change.before_pico)
    arrow = price if row.model_pattern.endswith("*") else f"{before} → {price}"
    return f"+ {what}: {arrow} from {moment(row.valid_from_us)}"


def describe_model(
    book: CompiledBook, provider: str, name: str, *, at_us: int | None, tier: str | None
) -> dict[str, Any]:
    """Return everything that is known of a model's prices; with `at_us` only the version in force then."""
    known = book.model(provider, name)
    found = book.find(provider, name)
    versions = found.versions if found is not None else ()
    if at_us is not None and found is not None:
        in_force = found.version_at(at_us)
        versions = (in_force,) if in_force is not None else ()
    return {
        "provider": provider,
        "model": found.model if found is not None else name,
        "asked": name,
        "context_window": known.context_window if known is not None else None,
        "is_deprecated": known.is_deprecated if known is not None else False,
        "priced_besides": known.fees if known is not None else [],
        "sources": book.pricing_urls(provider),
        "versions": [_describe_version(version, tier) for version in versions],
    }


def model_tables(described: dict[str, Any]) -> Iterable[RenderableType]:
    """Yield what `describe_model` found, for people."""
    window = described["context_window"]
    yield f"{described['provider']}/{described['model']}" + (f"  context window {window:,} tokens" if window else "")
    for version in described["versions"]:
        windows = ", ".join(f"{each['days'] or 'daily'} {each['from']}–{each['to']} UTC" for each in version["windows"])
        yield f"\n{'from ' + version['valid_from'] if version['valid_from'] else 'at first'}" + (
            f", {windows}" if windows else ""
        )
        yield _version_table(version["tiers"])
    if described["priced_besides"]:
        yield f"\nPriced besides, not per token and not counted here: {', '.join(described['priced_besides'])}"
    yield from described["sources"]


def moment(at_us: int) -> str:
    """Show a time: the date alone when it is midnight UTC."""
    at = utc(at_us)
    return at.strftime("%Y-%m-%d" if at_us % 86_400_000_000 == 0 else "%Y-%m-%d %H:%M:%S")


def _summary(book: CompiledBook, found: ModelPrices, provider: str, model: str, *, at_us: int) -> dict[str, Any]:
    version = found.version_at(at_us)
    rates = version.tiers.get(STANDARD_TIER, ()) if version is not None else ()
    known = book.model(provider, model)
    tiers = list(version.tiers) if version is not None else []
    return {
        "provider": provider,
        "model": model,
        "usd_per_million": {dimension: _price(rates, dimension) for dimension in SHOWN},
        "context_over": sorted({rate.context_over for rate in rates if rate.context_over}),
        "tiers": sorted(tiers, key=lambda tier: (tier != STANDARD_TIER, tier)),
        "context_window": known.context_window if known is not None else None,
        "is_deprecated": known.is_deprecated if known is not None else False,
    }


def _price(rates: tuple[Rate, ...], dimension: str) -> str | None:
    rate = card_of(rates).pick(Usage({})).get(dimension)  # for the shortest input
    return format_usd_per_million(rate.price_pico) if rate is not None else None


def _version_table(tiers: dict[str, list[dict[str, Any]]]) -> RenderableType:
    """Show a version's rates: a dimension that follows another stands beside it, not in lines of its own."""
    titles = ("tier", "dimension", "input over", "USD per 1M", "source", "and likewise")
    table = new_table(titles, numbers=("input over", "USD per 1M"))
    for tier, rates in tiers.items():
        for rate in rates:
            if rate["follows"] is not None:
                continue
            over = f"{rate['context_over']:,}" if rate["context_over"] else ""
            likewise = dict.fromkeys(each["dimension"] for each in rates if each["follows"] == rate["dimension"])
            prices = (over, rate["usd_per_million"], rate["source"])
            table.add_row(tier, rate["dimension"], *prices, "" if over else ", ".join(likewise))
    return table if table.row_count else f"  {UNPRICED}"


def _describe_version(version: PriceVersion, tier: str | None) -> dict[str, Any]:
    return {
        "valid_from": moment(version.valid_from_us) if version.valid_from_us else None,
        "windows": [
            {"from": _clock(window.from_s), "to": _clock(window.to_s), "days": _days(window.weekdays)}
            for window in version.windows
        ],
        "tiers": {
            name: [_describe_rate(rate) for rate in rates]
            for name, rates in version.tiers.items()
            if tier in {None, name}
        },
    }


def _describe_rate(rate: Rate) -> dict[str, Any]:
    return {
        "dimension": rate.dimension,
        "context_over": rate.context_over,
        "usd_per_million": format_usd_per_million(rate.price_pico),
        "source": rate.source,
        "follows": rate.follows or None,
    }


def _days(weekdays: int) -> str:
    """Return the days of a set of bits, "" for all of them."""
    names = [name for bit, name in enumerate(_DAYS) if weekdays >> bit & 1]
    return "" if len(names) == len(_DAYS) else "Mon–Fri" if names == _DAYS[:5] else ", ".join(names)


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}"
