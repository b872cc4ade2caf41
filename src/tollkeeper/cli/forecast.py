"""`tollkeeper forecast`: what the running month will come to, with a range, in dollars and in the display currency."""

from __future__ import annotations

from typing import Annotated

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.currency_options import shown_beside
from tollkeeper.cli.listing import print_object, print_table
from tollkeeper.cli.naming import place_of
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.cli.usage_table import dollars
from tollkeeper.control.forecast import MonthForecast, describe_forecast, forecast_month
from tollkeeper.domain.forecast import WEEK, Basis

_CENT_NANOS = 10_000_000


def forecast(
    team: Annotated[str | None, typer.Option("--team", help="Of this team, by id or name.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="Of this project, by id or name.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what this month will come to: lowest, likely, highest, from the last eight weeks."""

    async def work(operator: Operator) -> tuple[MonthForecast, Operator]:
        place = await operator.look(place_of, team=team, project=project)
        return await operator.look(forecast_month, place.kind, place.id), operator

    found, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_object(describe_forecast(found))
        return
    _print(found, operator)


def _print(found: MonthForecast, operator: Operator) -> None:
    told = found.forecast
    rows = [("month", f"{operator.moment(found.window.start_us)} to {operator.moment(found.window.end_us)}")]
    rows.append(("so far", _amount(found.used_nanos, operator)))
    if told.basis is Basis.TOO_EARLY:
        print_table(("", ""), rows)
        typer.echo(f"\nToo early to say: {told.days_known} whole days are known, and it takes {WEEK}.")
        return
    rows += [
        ("likely", _amount(told.likely_nanos, operator)),
        ("at least", _amount(told.low_nanos, operator)),
        ("at most", _amount(told.high_nanos, operator)),
        ("rests on", f"{told.days_known} days{', which clearly go one way' if told.is_trend_clear else ''}"),
    ]
    print_table(("", ""), rows)
    if told.basis is Basis.FEW_WEEKS:
        typer.echo("\nLess than four weeks are known: expect this to move.")
    if found.unpriced_requests:
        typer.echo(f"\n{found.unpriced_requests:,} calls are unpriced, and in none of these amounts.")


def _amount(nanos: int | None, operator: Operator) -> str:
    """Show an amount to the cent: nobody knows the rest of a forecast."""
    if nanos is None:
        return dollars(None)
    cents = (2 * nanos + _CENT_NANOS) // (2 * _CENT_NANOS)
    beside = shown_beside(nanos, operator.organization)
    return dollars(cents * _CENT_NANOS) + (f" ({beside})" if beside else "")
