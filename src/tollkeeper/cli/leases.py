"""`tollkeeper budgets leases` and `budgets release`: what servers hold of budgets, and the end of a quarantine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tollkeeper.cli.amounts import parse_dollars
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import counted, dollars, print_list, print_object, print_table, shown_time, shown_usd
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import lease_release
from tollkeeper.control.lease_release import ALL_OF_IT, ALL_STATES, Release, Stated, read_id, shown_id
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.held_lease import HeldLease
from tollkeeper.domain.lease import LeaseState

LIST_MAX = 10_000
_SUSPENSE = (
    "Its server was not heard of, but its journal may still be there. If it starts again after this, what the journal says"
    " beyond the amount counts too, even beyond the budget."
)


def leases(
    state: Annotated[str | None, typer.Option("--state", help="Only open, suspense or quarantine.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what servers hold of budgets, oldest first; suspense and quarantine are what silent servers left."""
    states = ALL_STATES if state is None else (_state(state),)

    async def work(operator: Operator) -> tuple[Operator, list[HeldLease]]:
        return operator, await operator.look(lease_release.list_leases, states, limit=LIST_MAX)

    operator, found = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, _shown)
    elif not found:
        typer.echo("No server holds anything." if state is None else f"Nothing is in state '{state}'.")
    else:
        rows = [_row(operator, each) for each in found]
        print_table(("id, budget", "state", "server", "held", "used"), rows, numbers=("held", "used"))
        if any(each.state is LeaseState.QUARANTINE for each in found):
            typer.echo(
                "What is in quarantine stays until somebody says what was used: tollkeeper budgets release LEASE"
            )


def release(
    lease: Annotated[str, typer.Argument(help="The lease's id: lease_…")],
    amount: Annotated[
        str | None,
        typer.Option("--amount", help="What counts as used, in dollars or in what the budget counts. Else all of it."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="End one in suspense too: its server never comes back.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a lease in quarantine: what is said to be used counts, the rest can be used again."""
    lease_id = read_id(lease)

    async def work(operator: Operator) -> Release:
        held = await operator.look(lease_release.find_lease, lease_id)
        stated = ALL_OF_IT if amount is None else _stated(amount, held)
        counted = stated.of(held)
        if held.state is LeaseState.SUSPENSE and force:
            typer.echo(_SUSPENSE, err=True)
        used = held.amount if counted is None else counted
        question = f"Count {_figure(used, held)} of {_figure(held.amount, held)} as used and free the rest?"
        confirm(question, is_agreed=yes)
        return await operator.change(lease_release.release_lease, lease_id, stated=stated, is_forced=force)

    done = as_operator(load(config, database), org, work)
    if as_json:
        is_usd = done.after.is_usd
        counted = {
            "counts_as_used": None if is_usd else done.used,
            "counts_as_used_usd": shown_usd(done.used) if is_usd else None,
        }
        print_object({**_shown(done.after), **counted})
        return
    freed = max(done.before.amount - done.used, 0)
    typer.echo(
        f"{shown_id(lease_id)} has ended: {_figure(done.used, done.after)} count as used,"
        f" {_figure(freed, done.after)} can be used again."
    )


def _state(text: str) -> LeaseState:
    for state in ALL_STATES:
        if state.value == text:
            return state
    raise InvalidRequest("--state must be open, suspense or quarantine.", param="state")


def _stated(text: str, held: HeldLease) -> Stated:
    """Read an amount in the unit of the lease's budget."""
    if held.is_usd:
        return Stated(nanos=parse_dollars(text))
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # digits of an int64
        raise InvalidRequest(f"The amount must be a whole number of {held.unit}.", param="amount")
    return Stated(count=int(text))


def _figure(amount: int, held: HeldLease) -> str:
    return dollars(amount) if held.is_usd else counted(amount, held.unit)


def _row(operator: Operator, held: HeldLease) -> tuple[str, ...]:
    period = f"{held.period} {held.model}".strip() or "deleted"
    scope = f"{held.scope_kind.replace('_', ' ')} {held.scope_id}".strip()
    return (
        f"{shown_id(held.id)}\n{held.budget_id} ({period})" + (f"\n{scope}" if scope else ""),
        held.state.value,
        f"{held.holder}\n{operator.moment(held.heard_at_us)}",
        _figure(held.held, held),
        _figure(held.consumed, held),
    )


def _shown(held: HeldLease) -> dict[str, Any]:
    is_usd = held.is_usd
    return {
        "object": "lease",
        "id": shown_id(held.id),
        "budget_id": held.budget_id,
        "scope": held.scope_kind,
        "scope_id": held.scope_id,
        "unit": held.unit,
        "period": held.period,
        "model": held.model,
        "state": held.state.value,
        "server": held.holder,
        "heard_at": shown_time(held.heard_at_us),
        "amount": None if is_usd else held.amount,
        "used": None if is_usd else held.consumed,
        "amount_usd": shown_usd(held.amount) if is_usd else None,
        "used_usd": shown_usd(held.consumed) if is_usd else None,
        "created_at": shown_time(held.created_at_us),
    }
