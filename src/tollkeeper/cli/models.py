"""`tollkeeper models`: the models that can be called here, with window, longest answer, kinds of content, prices, providers."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from tollkeeper.cli.context import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    OrganizationOption,
    load,
    print_json,
    with_store,
)
from tollkeeper.cli.operator import operator_of
from tollkeeper.cli.price_tables import UNPRICED, new_table, wide_console
from tollkeeper.cli.prices import own_book
from tollkeeper.config import Configuration
from tollkeeper.config.providers import USUAL_PROVIDERS
from tollkeeper.control import provider_credentials
from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS, Provider, Route, RouteTable
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.model_card import describe, versions_now
from tollkeeper.domain.price import STANDARD_TIER
from tollkeeper.kit.clock import now_us
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.known_models import CatalogueModels
from tollkeeper.store.engine import Store

_SHOWN = ("input", "cache_read", "output")
_UNKNOWN = "–"


def models(
    name: Annotated[
        str, typer.Argument(help="Only models like this: gpt-5*; without * every name that has it in it.")
    ] = "*",
    provider: Annotated[str | None, typer.Option("--provider", help="Only what this provider serves.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that can be called, with limits, kinds of content, prices in USD per 1M units and providers.

    With --org as that organization sees them: with its own providers and prices.
    """
    configuration = load(config, database)
    book = own_book(config, database, org)
    table = _table(configuration, book, org)
    _check_provider(table, provider)
    entries = _entries(table, book, name, provider)
    if as_json:
        print_json({"object": "list", "data": entries})
        return
    shown = new_table(
        ("model", "window", "output", "in → out", *(f"{each} $" for each in _SHOWN), "deprecated", "providers"),
        numbers=("window", "output", *(f"{each} $" for each in _SHOWN)),
    )
    for entry in entries:
        shown.add_row(*_row(entry))
    wide_console().print(shown)
    typer.echo(f"\n{len(entries)} models. USD per 1M units, standard tier, short inputs: tollkeeper prices show MODEL")


def _table(configuration: Configuration, book: CompiledBook, org: str | None) -> RouteTable:
    providers = list(configuration.providers)
    if not providers:
        typer.echo("tollkeeper: no provider is configured here; these are the models of the usual ones", err=True)
        providers = [Provider(name, kind, url, "", CATALOGUE_PROVIDERS[kind]) for name, kind, url, _ in USUAL_PROVIDERS]
    table = RouteTable(list(configuration.routes), providers, book)
    return table.with_providers(_brought(configuration, org)) if org else table


def _check_provider(table: RouteTable, provider: str | None) -> None:
    names = sorted(each.name for each in table.providers)
    if provider is not None and provider not in names:
        raise InvalidRequest(
            f"There is no provider '{provider}' here. There are: {', '.join(names)}.", param="provider"
        )


def _brought(configuration: Configuration, org: str | None) -> list[Provider]:
    """Return the organization's own providers, without their keys."""

    async def work(store: Store) -> list[Provider]:
        found = await operator_of(configuration, store, org)
        rows = await found.administration.look(found.caller, provider_credentials.list_providers)
        return [Provider(row.name, row.kind, row.base_url, "", row.catalogue, row.id) for row in rows]

    return with_store(configuration, work)


def _entries(table: RouteTable, book: CompiledBook, name: str, provider: str | None) -> list[dict[str, Any]]:
    """Return the models as `GET /v1/models` tells of them, by name."""
    pattern = name.lower() if any(sign in name for sign in "*?[") else f"*{name.lower()}*"
    routes = [table.resolve(each) for each, _ in sorted(table.names(), key=lambda named: named[0])]
    return [
        {"id": route.name, **_card(route, book)}
        for route in routes
        if route is not None
        and fnmatchcase(route.name.lower(), pattern)
        and provider in {None, *(each.provider.name for each in route.deployments)}
    ]


def _card(route: Route, book: CompiledBook) -> dict[str, Any]:
    known = CatalogueModels(book)
    facts = [known.known(each.provider.catalogue, each.model) for each in route.deployments]
    return describe(route, versions_now(route, book, now_us()), facts)


def _row(entry: dict[str, Any]) -> list[str]:
    prices = (entry["prices_usd_per_million"] or {}).get(STANDARD_TIER, {})
    kinds = entry["modalities"]
    deprecated = entry["deprecated"]
    return [
        entry["id"],
        _count(entry["context_window"]),
        _count(entry["output_limit"]),
        f"{' '.join(kinds['input'])} → {' '.join(kinds['output'])}" if kinds["input"] and kinds["output"] else _UNKNOWN,
        *(prices.get(each, UNPRICED if not prices else "") for each in _SHOWN),
        "yes" if deprecated else "" if deprecated is False else _UNKNOWN,
        ", ".join(dict.fromkeys(each["name"] for each in entry["providers"])),
    ]


def _count(tokens: int | None) -> str:
    return _UNKNOWN if tokens is None else f"{tokens:,}"
