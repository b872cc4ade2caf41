"""`tollkeeper prices`: list and show prices of the catalogue and own ones; add and import own ones."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from tollkeeper.cli.context import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    OrganizationOption,
    load,
    organization_of,
    print_json,
    with_store,
)
from tollkeeper.cli.price_tables import (
    describe_change,
    describe_model,
    describe_row,
    model_tables,
    row_table,
    summary_table,
    wide_console,
)
from tollkeeper.control.own_prices import doubt_about, is_listed_model
from tollkeeper.control.prices import NO_DATABASE, PriceChange, add_prices, find_model, list_own_prices, load_book
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.price import PriceRow, price_tier
from tollkeeper.kit.clock import now_us
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.drafts import PriceDraft, parse_moment, read_csv, read_json
from tollkeeper.store.engine import Store

_DOUBTS_MAX = 5
"""So many are told one by one."""
app = typer.Typer(help="List and show prices; add own ones over the catalogue's.", no_args_is_help=True)
AtOption = Annotated[str | None, typer.Option("--at", help="The prices of this date or time (ISO 8601, UTC).")]
ProviderOption = Annotated[str | None, typer.Option("--provider", help="Only this provider of the catalogue.")]
FILE_BYTES_MAX = 16 * 1024 * 1024


@app.command("list")
def list_(
    provider: ProviderOption = None,
    model: Annotated[str, typer.Option("--model", help="Only models like this: gpt-5*.")] = "*",
    own: Annotated[bool, typer.Option("--own", help="Own prices only, as they were added.")] = False,
    at: AtOption = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the prices in force, USD per 1M units; without --provider those of the providers that are called directly."""
    at_us = parse_moment(at) if at else now_us()
    if own:
        _list_own(_rows(config, database, org), provider, as_json=as_json)
        return
    book = own_book(config, database, org)
    if provider is not None and provider not in book.providers():
        raise InvalidRequest(f"There is no provider '{provider}' in the catalogue or in own prices.", param="provider")
    found = summary_table(book, provider, model, at_us=at_us)
    if as_json:
        print_json({"object": "list", "data": found.entries})
        return
    console = wide_console()
    console.print(found.table)
    if provider is None:
        others = len(book.providers()) - len(found.providers)
        console.print(f"\nUSD per 1M tokens, standard tier. {others} more providers: --provider NAME")


@app.command("show")
def show(
    model: Annotated[str, typer.Argument(help="PROVIDER/MODEL, or a model's name alone.")],
    at: AtOption = None,
    tier: Annotated[str | None, typer.Option("--tier", help="Only this tier.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every price of a model: all dates, tiers and sources, in USD per 1M units."""
    book = own_book(config, database, org)
    provider, name = find_priced(book, model, config, database)
    described = describe_model(
        book, provider, name, at_us=parse_moment(at) if at else None, tier=price_tier(tier, None) if tier else None
    )
    if as_json:
        print_json(described)
        return
    console = wide_console()
    for part in model_tables(described):
        console.print(part)


@app.command("add")
def add(
    provider: Annotated[str, typer.Option("--provider", help="The provider: openai, anthropic, google, x-ai …")],
    model: Annotated[str, typer.Option("--model", help="The model, or a beginning of names with * at its end.")],
    dimension: Annotated[str, typer.Option("--dimension", help="What is priced: input, output, cache_read …")],
    usd_per_million: Annotated[str, typer.Option("--usd-per-million", help="The price of 1M units, such as 0.15.")],
    tier: Annotated[str, typer.Option("--tier", help="standard, batch, flex, priority or another.")] = "standard",
    context_over: Annotated[
        int, typer.Option("--context-over", help="Only for inputs longer than this many tokens.")
    ] = 0,
    valid_from: Annotated[str, typer.Option("--from", help="From this date or time on (UTC); else from now on.")] = "",
    note: Annotated[str, typer.Option("--note", help="Where the price comes from: a contract, an invoice.")] = "",
    org: Annotated[str | None, typer.Option("--org", help="Only for this organization; else for everybody.")] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add one own price. It supersedes the catalogue's from its date on; nothing edits it, a later one supersedes it."""
    draft = PriceDraft(provider, model, dimension, usd_per_million, tier, context_over, valid_from, note)
    _add([draft], config, database, org, is_dry_run=False, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .csv or .json file; columns as `prices add` names its options.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show, but add nothing.")] = False,
    org: Annotated[str | None, typer.Option("--org", help="Only for this organization; else for everybody.")] = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the prices of a file, all or none. Columns: provider, model, dimension, usd_per_million, and optionally tier,
    context_over, valid_from, note.
    """
    _add(_read(file), config, database, org, is_dry_run=dry_run, as_json=as_json)


def _read(file: Path) -> list[PriceDraft]:
    reader = {".csv": read_csv, ".json": read_json}.get(file.suffix.lower())
    if reader is None:
        raise InvalidRequest(f"{file}: the name must end in .csv or .json")
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise InvalidRequest(f"{file}: it is larger than 16 MiB")
        return reader(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequest(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file}: it is not UTF-8") from error


def _add(
    drafts: list[PriceDraft],
    config: Path | None,
    database: str | None,
    org: str | None,
    *,
    is_dry_run: bool,
    as_json: bool,
) -> None:
    async def work(store: Store) -> list[PriceChange]:
        organization_id = (await organization_of(store, org)).id if org else ""
        return await add_prices(store, drafts, organization_id=organization_id, is_dry_run=is_dry_run)

    changes = with_store(load(config, database), work)
    if as_json:
        data = [describe_row(change.row) | {"is_new": change.is_new} for change in changes]
        print_json({"object": "list", "is_dry_run": is_dry_run, "data": data})
        return
    for change in changes:
        typer.echo(describe_change(change))
    added = sum(change.is_new for change in changes)
    typer.echo(f"{added} {'would be added' if is_dry_run else 'added'}, {len(changes) - added} already in force.")
    unknown = sorted({change.row.provider for change in changes} - set(CompiledBook.load().providers()))
    if unknown:
        typer.echo(f"Not in the catalogue: {', '.join(unknown)}. A configured provider must have this name.", err=True)
    doubtful = [change.row for change in changes if not is_listed_model(change.row)]
    for row in doubtful[:_DOUBTS_MAX]:
        typer.echo(doubt_about(row), err=True)
    if len(doubtful) > _DOUBTS_MAX:
        typer.echo(f"{len(doubtful) - _DOUBTS_MAX} more are for models that nobody knows.", err=True)


def _list_own(rows: list[PriceRow], provider: str | None, *, as_json: bool) -> None:
    rows = [row for row in rows if provider in {None, row.provider}]
    if as_json:
        data: list[dict[str, Any]] = [describe_row(row) for row in rows]
        print_json({"object": "list", "data": data})
    elif rows:
        wide_console().print(row_table(rows))
    else:
        typer.echo("No own prices. Add one with: tollkeeper prices add")


def _rows(config: Path | None, database: str | None, org: str | None) -> list[PriceRow]:
    async def work(store: Store) -> list[PriceRow]:
        return await list_own_prices(store, (await organization_of(store, org)).id if org else "")

    return with_store(load(config, database), work)


def find_priced(book: CompiledBook, name: str, config: Path | None, database: str | None) -> tuple[str, str]:
    """Return (provider, model) of a model's name; see `find_model`.

    Raises:
        InvalidRequest: it is a public name of the settings, which has no prices itself, or several providers have it.
        NotFound: nobody has it.
    """
    route = next((each for each in load(config, database).routes if each.name == name), None)
    if route is not None and name not in {each.model for each in route.deployments}:
        priced = dict.fromkeys(
            f"{each.provider.catalogue or each.provider.name}/{each.model}" for each in route.deployments
        )
        raise InvalidRequest(
            f"'{name}' is a public name of yours; what serves it has the price. Ask for: {', '.join(priced)}",
            param="model",
        )
    return find_model(book, name)


def own_book(config: Path | None, database: str | None, org: str | None) -> CompiledBook:
    """Return the price book for a command: with own prices when the database is there, and a word when it is not."""
    book, reason = asyncio.run(load_book(load(config, database).settings.database.url, organization=org))
    if reason and (reason != NO_DATABASE or database is not None or org is not None):
        typer.echo(f"tollkeeper: own prices are left out: {reason}", err=True)
    return book
