"""`tollkeeper credits`: grant, list, show and void credit, and say what is left of it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tollkeeper.cli.amounts import parse_dollars
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import dollars, print_object, print_table, shown_time, shown_usd
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control.credits import (
    CreditBalance,
    CreditPage,
    GrantTerms,
    get_balance,
    get_grant,
    grant_credit,
    list_credit,
    void_grant,
)
from tollkeeper.domain.credit import PRIORITY_USUAL, CreditGrant, GrantKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.nearest import did_you_mean

app = typer.Typer(help="Grant, list, show and void credit, and say what is left of it.", no_args_is_help=True)
LIST_MAX = 10_000
GrantArgument = Annotated[str, typer.Argument(help="The grant's id: grant_…")]


@app.command("grant")
def grant(
    amount: Annotated[str, typer.Argument(help="Dollars, such as 50.")],
    kind: Annotated[
        str, typer.Option("--kind", help="purchased, trial, promotional, refund or adjustment.")
    ] = GrantKind.PURCHASED.value,
    priority: Annotated[int, typer.Option("--priority", min=0, max=100, help="Lower is used first.")] = PRIORITY_USUAL,
    expires: Annotated[
        str | None, typer.Option("--expires", help="The last day, such as 2027-12-31, in the organization's timezone.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grant an organization credit. With the first grant its calls need credit."""
    amount_nanos, chosen = parse_dollars(amount), _kind(kind)

    async def work(operator: Operator) -> tuple[CreditGrant, CreditBalance]:
        terms = GrantTerms(
            amount_nanos=amount_nanos,
            kind=chosen,
            priority=priority,
            expires_at_us=_end_of(expires, operator.organization.timezone),
            note=note,
        )
        made = await operator.change(grant_credit, operator.organization.id, terms=terms)
        return made, await operator.look(get_balance, operator.organization.id)

    made, balance = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(made))
    else:
        typer.echo(f"{dollars(made.amount_nanos)} of {made.kind.value} credit granted ({made.id}).")
        typer.echo(f"{dollars(balance.left)} is left to use.")


@app.command("list")
def list_(
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List credit grants, newest first."""

    async def work(operator: Operator) -> tuple[Operator, CreditPage]:
        return operator, await operator.look(list_credit, operator.organization.id, limit=LIST_MAX)

    operator, found = as_operator(load(config, database), org, work)
    if as_json:
        grants = [_shown(each) for each in found.grants]
        print_object({"object": "list", "data": grants, "balance": _shown_balance(found.balance)})
    elif not found.grants:
        typer.echo("No credit. Grant some with: tollkeeper credits grant 50")
    else:
        _print_grants(operator, found.grants)
        typer.echo(f"{dollars(found.balance.left)} is left to use.")


@app.command("show")
def show(
    grant_id: GrantArgument,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a credit grant."""

    async def work(operator: Operator) -> tuple[Operator, CreditGrant]:
        return operator, await operator.look(get_grant, operator.organization.id, grant_id)

    operator, found = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(found))
        return
    rows = [
        ("id", found.id),
        ("kind", found.kind.value),
        ("status", found.status.value),
        ("amount", dollars(found.amount_nanos)),
        ("used", dollars(found.used_nanos)),
        ("expired or voided", dollars(found.removed_nanos)),
        ("left", dollars(found.remaining_nanos)),
        ("priority", str(found.priority)),
        ("granted", operator.moment(found.created_at_us)),
        ("ends", operator.moment(found.expires_at_us)),
        ("note", found.note or "–"),
    ]
    print_table(("", ""), rows)


@app.command("void")
def void(
    grant_id: GrantArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what was not used of a grant. What running calls hold goes when they give it back."""

    async def work(operator: Operator) -> CreditGrant:
        found = await operator.look(get_grant, operator.organization.id, grant_id)
        confirm(f"Take back {dollars(found.remaining_nanos)} of {found.kind.value} credit?", is_agreed=yes)
        return await operator.change(void_grant, operator.organization.id, grant_id)

    after = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(after))
        return
    typer.echo(f"{dollars(after.removed_nanos)} is taken back ({after.id}).")
    if after.remaining_nanos:
        typer.echo(f"{dollars(after.remaining_nanos)} is held by running calls and goes when they end.")


@app.command("balance")
def balance_(
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what credit is left, what is reserved, and what expires next."""

    async def work(operator: Operator) -> tuple[Operator, CreditBalance]:
        return operator, await operator.look(get_balance, operator.organization.id)

    operator, found = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown_balance(found))
        return
    rows = [
        ("granted", dollars(found.granted)),
        ("used", dollars(found.used)),
        ("reserved", dollars(found.reserved)),
        ("left", dollars(found.left)),
    ]
    if found.overrun:
        rows.append(("beyond all credit", dollars(found.overrun)))
    print_table(("", ""), rows)
    ending = found.next_expiring
    if ending is not None:
        typer.echo(f"{dollars(ending.remaining_nanos)} expires on {operator.moment(ending.expires_at_us)}.")
    if not found.is_prepaid:
        typer.echo("Calls need no credit here.")


def _kind(text: str) -> GrantKind:
    known = [kind.value for kind in GrantKind]
    if text not in known:
        raise InvalidRequest(f"The kind must be one of {', '.join(known)}.{did_you_mean(text, known)}", param="kind")
    return GrantKind(text)


def _end_of(text: str | None, timezone: str) -> int | None:
    """Return the end of a day in a timezone."""
    if text is None:
        return None
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"'{text}' is no day such as 2027-12-31.", param="expires") from None
    begin_of_next = datetime.combine(last + timedelta(days=1), time(), ZoneInfo(timezone))
    return int(begin_of_next.timestamp()) * 1_000_000


def _print_grants(operator: Operator, grants: list[CreditGrant]) -> None:
    rows = [
        (
            f"{each.id}\n{each.kind.value}, {each.status.value}, priority {each.priority}",
            dollars(each.amount_nanos),
            dollars(each.used_nanos),
            dollars(each.remaining_nanos),
            operator.moment(each.expires_at_us),
        )
        for each in grants
    ]
    print_table(("id, kind", "granted", "used", "left", "ends"), rows, numbers=("granted", "used", "left"))


def _shown(grant: CreditGrant) -> dict[str, Any]:
    return {
        "object": "credit_grant",
        "id": grant.id,
        "organization_id": grant.organization_id,
        "kind": grant.kind.value,
        "status": grant.status.value,
        "priority": grant.priority,
        "amount_usd": shown_usd(grant.amount_nanos),
        "used_usd": shown_usd(grant.used_nanos),
        "removed_usd": shown_usd(grant.removed_nanos),
        "remaining_usd": shown_usd(grant.remaining_nanos),
        "effective_at": shown_time(grant.effective_at_us),
        "expires_at": shown_time(grant.expires_at_us),
        "note": grant.note,
        "created_by": grant.created_by,
        "created_at": shown_time(grant.created_at_us),
    }


def _shown_balance(balance: CreditBalance) -> dict[str, Any]:
    ending = balance.next_expiring
    expiring = None
    if ending is not None:
        expiring = {
            "grant_id": ending.id,
            "remaining_usd": shown_usd(ending.remaining_nanos),
            "expires_at": shown_time(ending.expires_at_us),
        }
    return {
        "object": "credit_balance",
        "prepaid": balance.is_prepaid,
        "granted_usd": shown_usd(balance.granted),
        "used_usd": shown_usd(balance.used),
        "reserved_usd": shown_usd(balance.reserved),
        "left_usd": shown_usd(balance.left),
        "overrun_usd": shown_usd(balance.overrun),
        "expiring_next": expiring,
    }
