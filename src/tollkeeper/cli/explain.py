"""`tollkeeper explain`: why a call was let in or refused, by which limits and with which figures."""

from __future__ import annotations

from typing import Annotated

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import dollars, print_object, print_table
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control.decisions import describe_decision, explain_call
from tollkeeper.domain.call_decision import CallDecision, LookedAt

_TITLES = ("", "limit", "period", "amount", "used", "reserved", "left", "needed", "charged", "begins anew")
_NUMBERS = ("amount", "used", "reserved", "left", "needed", "charged")


def explain(
    request_id: Annotated[str, typer.Argument(help="What the call's x-request-id said: req_….")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a call was let in or refused: every limit that was looked at, with the figures of that moment."""

    async def work(operator: Operator) -> tuple[CallDecision, Operator]:
        return await operator.look(explain_call, request_id), operator

    found, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_object(describe_decision(found))
        return
    typer.echo(f"req_{found.call_id.hex()}  {operator.moment(found.at_us)}")
    typer.echo(f"  {_outcome(found)}")
    if found.message:
        typer.echo(f"  {found.message}")
    typer.echo(f"  key {found.api_key_id}, project {found.project_id}, model {found.model or '–'}")
    if found.is_admitted:
        typer.echo(f"  reserved {dollars(found.reserved_nanos)}, cost {dollars(found.cost_nanos)}")
    if not found.limits:
        typer.echo("  No limit was looked at.")
        return
    typer.echo()
    print_table(_TITLES, [_row(each, operator) for each in found.limits], numbers=_NUMBERS)


def _outcome(found: CallDecision) -> str:
    if found.is_admitted:
        return f"admitted; answered with status {found.status}" if found.status else "admitted; no answer came"
    return f"refused with status {found.status}, {found.code}"


def _row(limit: LookedAt, operator: Operator) -> tuple[str, ...]:
    whose = f"{limit.scope_kind} {limit.scope_name or limit.scope_id}".strip()
    what = f"{limit.kind} of {whose}" if whose else f"{limit.kind} that is gone"
    for_model = f", {limit.model}" if limit.model else ""
    figures = (limit.limit, limit.used, limit.reserved, limit.left, limit.needed, limit.charged)
    return (
        "▶" if limit.is_decisive else "",
        f"{what}{for_model}",
        limit.period or "–",
        *(_amount(each, limit.unit) for each in figures),
        operator.moment(limit.resets_at_us),
    )


def _amount(amount: int | None, unit: str) -> str:
    if amount is None:
        return "–"
    return dollars(amount) if unit == "usd" else f"{amount:,} {unit}".strip()
