"""`tollkeeper rates`: list, set and delete limits of requests and tokens a minute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from tollkeeper.cli.budget_options import ModelOption, ScopeArgument, named_scope, scope_names
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_list, print_object, print_table
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import rate_limits
from tollkeeper.control.rate_limit_views import shown_rate_limit
from tollkeeper.control.rate_limits import RateTerms
from tollkeeper.domain.rate_limit import RateLimitRow

app = typer.Typer(help="List, set and delete limits of requests and tokens a minute.", no_args_is_help=True)
LIST_MAX = 10_000
RequestsOption = Annotated[int | None, typer.Option("--rpm", help="Requests a minute.")]
TokensOption = Annotated[int | None, typer.Option("--tpm", help="Tokens a minute.")]


@app.command("list")
def list_(
    scope: Annotated[
        str | None, typer.Option("--scope", help="Only of this team, project, member:EMAIL or key:NAME.")
    ] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List rate limits. A key's own is shown with the key."""

    async def work(operator: Operator) -> tuple[list[RateLimitRow], dict[str, str]]:
        chosen = await operator.look(named_scope, scope) if scope is not None else None
        found = await operator.look(
            rate_limits.list_rate_limits, scope_id=chosen.id if chosen else None, limit=LIST_MAX
        )
        return found, await operator.look(scope_names)

    found, names = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_rate_limit)
    elif not found:
        typer.echo("No rate limits. Set one with: tollkeeper rates set organization --rpm 600")
    else:
        _print(found, names)


@app.command("set")
def set_(
    scope: ScopeArgument,
    rpm: RequestsOption = None,
    tpm: TokensOption = None,
    model: ModelOption = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Limit requests, tokens or both a minute, in place of the limits for the same model."""

    async def work(operator: Operator) -> tuple[RateLimitRow, dict[str, str]]:
        chosen = await operator.look(named_scope, scope)
        made = await operator.change(rate_limits.set_rate_limit, chosen.id, terms=RateTerms(rpm, tpm, model))
        return made, await operator.look(scope_names)

    made, names = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_rate_limit(made))
    else:
        _print([made], names)


@app.command("delete")
def delete(
    scope: ScopeArgument,
    model: ModelOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take away the limits of a scope for a model, or for all together."""

    async def work(operator: Operator) -> RateLimitRow:
        chosen = await operator.look(named_scope, scope)
        found = await operator.look(rate_limits.find_rate_limit, chosen.id, model=model)
        confirm(f"Take away the rate limit of {scope}{f' for {model}' if model else ''}?", is_agreed=yes)
        return await operator.change(rate_limits.delete_rate_limit, found.id)

    gone = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_rate_limit(gone))
    else:
        typer.echo(f"{scope} has no rate limit{f' for {model}' if model else ''} any more.")


def _print(found: Iterable[RateLimitRow], names: dict[str, str]) -> None:
    rows = [
        (
            each.scope_kind.replace("_", " "),
            names.get(each.scope_id, each.scope_id),
            each.model or "all",
            "–" if each.requests_per_minute is None else f"{each.requests_per_minute:,}",
            "–" if each.tokens_per_minute is None else f"{each.tokens_per_minute:,}",
            "yes" if each.is_from_tier else "no",
        )
        for each in sorted(found, key=lambda each: (each.scope_kind, names.get(each.scope_id, ""), each.model))
    ]
    titles = ("of", "name", "model", "requests a minute", "tokens a minute", "from tier")
    print_table(titles, rows, numbers=("requests a minute", "tokens a minute"))
