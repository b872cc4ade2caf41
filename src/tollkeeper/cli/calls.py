"""`tollkeeper calls`: single calls found by what they are, newest first, or one of them opened."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from tollkeeper.cli import call_report
from tollkeeper.cli.amounts import parse_dollars
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.explain import explain
from tollkeeper.cli.listing import print_object
from tollkeeper.cli.naming import named_member, named_project, named_team
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.cli.usage_question import FromOption, ToOption, midnight_us, parse_day
from tollkeeper.config import Configuration
from tollkeeper.control.administration import Action
from tollkeeper.control.api_keys import choose_key
from tollkeeper.control.call_views import describe_opened, describe_page, describe_refusals
from tollkeeper.control.calls import (
    PAGE_MAX,
    CallFilters,
    CallPage,
    CallSearch,
    OpenedCall,
    find_calls,
    open_call,
    parse_cursor,
    parse_labels,
    parse_statuses,
)
from tollkeeper.control.refused_calls import RefusalPage, find_refusals
from tollkeeper.domain.errors import NotFound
from tollkeeper.kit.clock import TIME_US_MAX

Words = list[str] | None


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was said. Names are looked up in the database; `columns` are taken as they are."""

    names: dict[str, str | None]
    columns: dict[str, str | None]
    filters: CallFilters
    days: tuple[str | None, str | None]
    after: str | None
    limit: int


def calls(
    request_id: Annotated[str | None, typer.Argument(help="Open this call: what its x-request-id said, req_….")] = None,
    first: FromOption = None,
    last: ToOption = None,
    label: Annotated[
        Words, typer.Option("--label", help="A label's name, or name=value; several: calls with all of them.")
    ] = None,
    team: Annotated[str | None, typer.Option("--team", help="Of this team, by id or name.")] = None,
    project: Annotated[str | None, typer.Option("--project", help="Of this project, by id or name.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="With this API key, by id or name.")] = None,
    member: Annotated[str | None, typer.Option("--member", help="With this person's keys, by id or e-mail.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Served by this model.")] = None,
    asked: Annotated[str | None, typer.Option("--model-asked", help="That asked for this model.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="At this provider.")] = None,
    operation: Annotated[str | None, typer.Option("--operation", help="chat.completions, embeddings, …")] = None,
    status: Annotated[
        Words, typer.Option("--status", help="404, 4xx, 5xx, errors, or 0 for no answer; several: any of them.")
    ] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="reported, computed, estimated, unpriced or unbilled.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="complete, provider_error, broken, client_gone or crashed.")
    ] = None,
    end_user: Annotated[str | None, typer.Option("--end-user", help="That named this end user.")] = None,
    cost_from: Annotated[str | None, typer.Option("--cost-from", help="That cost at least so many dollars.")] = None,
    cost_to: Annotated[str | None, typer.Option("--cost-to", help="That cost at most so many dollars.")] = None,
    refused: Annotated[
        bool,
        typer.Option(
            "--refused", help="Those that a limit or a rule refused before they went out, of the last 30 days."
        ),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE_MAX, help="The most to show.")] = 20,
    after: Annotated[str | None, typer.Option("--after", help="Look on from where the last page ended.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find single calls, newest first; with a request id open that one: its steps, tries, limits and charge."""
    configuration = load(config, database)
    if request_id is not None:
        try:
            _show_one(configuration, org, request_id, as_json=as_json)
        except NotFound:
            explain(request_id, org=org, config=config, database=database, as_json=as_json)  # a refused call
        return
    wanted = _Wanted(
        names={"team": team, "project": project, "key": key, "member": member},
        columns={
            "model": model,
            "model_asked": asked,
            "provider": provider,
            "operation": operation,
            "cost_state": state,
            "outcome": outcome,
            "end_user": end_user,
        },
        filters=CallFilters(
            labels=parse_labels(label or ()),
            statuses=parse_statuses(status or ()),
            cost_from_nanos=None if cost_from is None else parse_dollars(cost_from),
            cost_to_nanos=None if cost_to is None else parse_dollars(cost_to),
        ),
        days=(first, last),
        after=after,
        limit=limit,
    )
    (_show_refused if refused else _show_found)(configuration, org, wanted, as_json=as_json)


def _show_one(configuration: Configuration, org: str | None, request_id: str, *, as_json: bool) -> None:
    opened, operator = as_operator(configuration, org, lambda operator: _open(operator, request_id))
    if as_json:
        print_object(describe_opened(opened))
    else:
        call_report.show_opened(opened, operator)


def _show_found(configuration: Configuration, org: str | None, wanted: _Wanted, *, as_json: bool) -> None:
    page, operator = as_operator(configuration, org, lambda operator: _find(operator, wanted))
    if as_json:
        print_object(describe_page(page))
    else:
        call_report.show_page(page, operator)


def _show_refused(configuration: Configuration, org: str | None, wanted: _Wanted, *, as_json: bool) -> None:
    page, operator = as_operator(configuration, org, lambda operator: _find_refused(operator, wanted))
    if as_json:
        print_object(describe_refusals(page))
    else:
        call_report.show_refusals(page, operator)


async def _open(operator: Operator, request_id: str) -> tuple[OpenedCall, Operator]:
    return await operator.look(open_call, request_id), operator


async def _find(operator: Operator, wanted: _Wanted) -> tuple[CallPage, Operator]:
    return await operator.look(find_calls, await _search(operator, wanted)), operator


async def _find_refused(operator: Operator, wanted: _Wanted) -> tuple[RefusalPage, Operator]:
    return await operator.look(find_refusals, await _search(operator, wanted)), operator


async def _search(operator: Operator, wanted: _Wanted) -> CallSearch:
    zone = ZoneInfo(operator.organization.timezone)
    first, last = parse_day(wanted.days[0], "--from"), parse_day(wanted.days[1], "--to")
    ids = await operator.look(_ids_of, wanted.names)
    stated = {name: value for name, value in wanted.columns.items() if value is not None}
    columns = {name: (value,) for name, value in {**ids, **stated}.items()}
    return CallSearch(
        filters=msgspec.structs.replace(wanted.filters, columns=columns),
        from_us=0 if first is None else midnight_us(first, zone),
        to_us=TIME_US_MAX if last is None else midnight_us(last + timedelta(days=1), zone),
        after=parse_cursor(wanted.after),
        limit=wanted.limit,
    )


async def _ids_of(action: Action, names: dict[str, str | None]) -> dict[str, str]:
    """Return the ids of what is called by name, by the column that they are looked for in."""
    found: dict[str, str] = {}
    if names["team"] is not None:
        found["team_id"] = (await named_team(action, names["team"])).id
    if names["project"] is not None:
        found["project_id"] = (await named_project(action, names["project"])).id
    if names["key"] is not None:
        found["api_key_id"] = (await choose_key(action, names["key"])).id
    if names["member"] is not None:
        found["member_id"] = (await named_member(action, names["member"])).id
    return found
