"""`tollkeeper estimate`: what calls would cost before they are made, on one model or on all of them side by side."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, print_json
from tollkeeper.cli.price_tables import UNPRICED, new_table, wide_console
from tollkeeper.cli.prices import find_priced, own_book
from tollkeeper.cli.request_file import CountedRequest, count_request
from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import NANOS_PER_USD, format_usd, format_usd_per_million, parse_usd
from tollkeeper.domain.price import price_tier
from tollkeeper.kit.clock import now_us
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.estimates import Estimate, Volume, compare, direct_providers, is_current, price_volume

TOKENS_MAX = 10**12
Sort = Literal["cost", "model"]


def estimate(
    model: Annotated[str | None, typer.Option("--model", help="The model: PROVIDER/MODEL, or its name alone.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A request body as JSON: count it and price it.")] = None,
    is_comparison: Annotated[bool, typer.Option("--compare", help="Price the calls on every model.")] = False,
    input_tokens: Annotated[int | None, typer.Option("--input", min=0, help="Input tokens of a call.")] = None,
    output_tokens: Annotated[int | None, typer.Option("--output", min=0, help="Output tokens of a call.")] = None,
    cached_tokens: Annotated[int, typer.Option("--cached", min=0, help="How many of the input are cache reads.")] = 0,
    calls: Annotated[int, typer.Option("--calls", min=1, help="How many calls.")] = 1,
    tier: Annotated[str | None, typer.Option("--tier", help="standard, flex, priority or another.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="At batch prices.")] = False,
    provider: Annotated[
        str | None, typer.Option("--provider", help="With --compare: only these, by comma; 'all' for every one.")
    ] = None,
    sort: Annotated[Sort, typer.Option("--sort", help="With --compare: the order.")] = "cost",
    show_all: Annotated[bool, typer.Option("--all", help="With --compare: unpriced, free, retired ones too.")] = False,
    krw_rate: Annotated[str | None, typer.Option("--krw-rate", help="Won per dollar: adds a column.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what calls would cost, exactly: token counts or a request file, on one model or on all.

    Own prices count when the database is there; without one the catalogue alone answers.
    """
    if tier is not None and batch:
        raise InvalidRequest("--tier and --batch exclude each other.", param="tier")
    rate = _parse_rate(krw_rate)
    counted = count_request(file, output_tokens, model) if file is not None else None
    asked_tier = tier if tier is not None or counted is None else counted.service_tier
    chosen = price_tier(asked_tier, None, is_batch=batch)
    volume = _volume(counted, input_tokens, output_tokens, cached_tokens, calls)
    book = own_book(config, database, org)
    if is_comparison:
        if model is not None:
            raise InvalidRequest("--compare prices every model; leave out --model.", param="model")
        found = compare(book, _providers(book, provider), volume, tier=chosen, at_us=now_us())
        _print_comparison(book, found, volume, sort=sort, show_all=show_all, rate=rate, as_json=as_json)
        return
    name = model or (counted.model if counted is not None else None)
    if name is None:
        raise InvalidRequest("Say which --model, or --compare them.", param="model")
    price_list, priced_name = find_priced(book, name, config, database)
    one = price_volume(book, price_list, priced_name, volume, tier=chosen, at_us=now_us())
    _print_one(one, volume, rate=rate, as_json=as_json)


def _volume(
    counted: CountedRequest | None, input_tokens: int | None, output_tokens: int | None, cached: int, calls: int
) -> Volume:
    if counted is not None:
        if input_tokens is not None:
            raise InvalidRequest("--file is counted; leave out --input.", param="input")
        input_tokens, output_tokens = counted.input_tokens, counted.output_tokens
    if input_tokens is None:
        raise InvalidRequest("Say how many --input tokens, or give a request with --file.", param="input")
    if output_tokens is None:
        raise InvalidRequest("Say how many --output tokens; 0 for embeddings.", param="output")
    if cached > input_tokens:
        raise InvalidRequest(f"--cached ({cached}) is a part of --input ({input_tokens}).", param="cached")
    if max(input_tokens, output_tokens, calls) > TOKENS_MAX:
        raise InvalidRequest("That is more than can be called.", param="input")
    return Volume(input_tokens, output_tokens, cached, calls)


def _providers(book: CompiledBook, named: str | None) -> list[str]:
    if named is None:
        return direct_providers(book)
    if named == "all":
        return book.providers()
    chosen = [CATALOGUE_PROVIDERS.get(name.strip(), name.strip()) for name in named.split(",")]
    for name in chosen:
        if name not in book.providers():
            raise InvalidRequest(f"There is no provider '{name}' in the catalogue or in own prices.", param="provider")
    return list(dict.fromkeys(chosen))


def _parse_rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        nanos = parse_usd(text)
    except ValueError:
        nanos = 0
    if nanos <= 0:
        raise InvalidRequest(f"--krw-rate '{text}' is not a number of won per dollar, such as 1400.", param="krw_rate")
    return Fraction(nanos, NANOS_PER_USD)


def _describe(found: Estimate, rate: Fraction | None) -> dict[str, Any]:
    """Return an estimate for `--json`: amounts as exact decimal strings, null when unpriced."""
    per_call = found.charge.amount_nanos
    described: dict[str, Any] = {
        "provider": found.provider,
        "model": found.model,
        "tier": found.tier,
        "total_usd": _usd(found.total_nanos),
        "per_call_usd": _usd(per_call),
        "state": UNPRICED if per_call is None else "priced",
        "reason": found.charge.reason,
        "context_window": found.context_window,
        "fits": found.fits,
        "lines": [
            {
                "dimension": line.dimension,
                "quantity": line.quantity,
                "usd_per_million": format_usd_per_million(line.price_pico),
                "amount_usd": format_usd(line.amount_nanos),
                "source": line.source,
            }
            for line in found.charge.lines
        ],
    }
    if rate is not None:
        described["total_krw"] = None if found.total_nanos is None else str(_won(found.total_nanos, rate))
    return described


def _print_one(found: Estimate, volume: Volume, *, rate: Fraction | None, as_json: bool) -> None:
    if as_json:
        print_json({**_volume_json(volume), **_describe(found, rate)})
        return
    console = wide_console()
    console.print(f"{found.provider}/{found.model}  {found.tier}  {volume.calls:,} call(s)")
    if found.total_nanos is None:
        console.print(f"{UNPRICED}: {found.charge.reason}")
        return
    numbers = ("tokens a call", "USD per 1M", "USD a call")
    table = new_table(("dimension", *numbers, "source"), numbers=numbers)
    for line in found.charge.lines:
        prices = (format_usd_per_million(line.price_pico), format_usd(line.amount_nanos))
        table.add_row(line.dimension, f"{line.quantity:,}", *prices, line.source)
    console.print(table)
    won = f"  ≈ {_won(found.total_nanos, rate):,} KRW" if rate is not None else ""
    console.print(f"\nper call  {_usd(found.charge.amount_nanos)} USD\ntotal     {_usd(found.total_nanos)} USD{won}")
    if found.fits is False:
        console.print(f"Longer than the context window of {found.context_window:,} tokens.")


def _print_comparison(
    book: CompiledBook,
    found: list[Estimate],
    volume: Volume,
    *,
    sort: Sort,
    show_all: bool,
    rate: Fraction | None,
    as_json: bool,
) -> None:
    shown = found if show_all else [each for each in found if is_current(book, each)]
    if sort == "model":
        shown = sorted(shown, key=lambda each: (each.provider, each.model))
    if as_json:
        data = [_describe(each, rate) | {"times_cheapest": _ratio(each.times_cheapest)} for each in shown]
        print_json({"object": "list", **_volume_json(volume), "left_out": len(found) - len(shown), "data": data})
        return
    numbers = ("total USD", "USD a call", "× cheapest", *(["≈ KRW"] if rate is not None else []))
    table = new_table(("provider", "model", *numbers), numbers=numbers)
    for each in shown:
        cells = [_usd(each.total_nanos) or UNPRICED, _usd(each.charge.amount_nanos) or UNPRICED]
        cells.append(_ratio(each.times_cheapest) or "–")
        if rate is not None:
            cells.append("–" if each.total_nanos is None else f"{_won(each.total_nanos, rate):,}")
        table.add_row(each.provider, each.model, *cells)
    console = wide_console()
    console.print(f"{volume.calls:,} × {volume.input_tokens:,} tokens in, {volume.output_tokens:,} out", end="")
    console.print(f" (of the input {volume.cached_tokens:,} cached)\n" if volume.cached_tokens else "\n")
    console.print(table)
    if len(shown) < len(found):
        console.print(
            f"\n{len(found) - len(shown)} more models are unpriced for this, free, retired, special, or too small: --all shows them."
        )


def _volume_json(volume: Volume) -> dict[str, int]:
    return {
        "calls": volume.calls,
        "input_tokens": volume.input_tokens,
        "cached_tokens": volume.cached_tokens,
        "output_tokens": volume.output_tokens,
    }


def _usd(nanos: int | None) -> str | None:
    return None if nanos is None else format_usd(nanos)


def _won(nanos: int, rate: Fraction) -> int:
    return round(Fraction(nanos, NANOS_PER_USD) * rate)


def _ratio(times: Fraction | None) -> str | None:
    return None if times is None else str((Decimal(times.numerator) / times.denominator).quantize(Decimal("0.01")))
