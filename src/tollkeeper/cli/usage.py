"""`tollkeeper usage`: requests and tokens by what you like, the records in doubt, or one record whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tollkeeper.cli import usage_file, usage_question, usage_records, usage_table
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
from tollkeeper.cli.usage_file import FormatOption, OutOption
from tollkeeper.cli.usage_question import (
    ByOption,
    FromOption,
    KeyOption,
    ModelOption,
    ProjectOption,
    Question,
    ToOption,
    parse_by,
    parse_day,
)
from tollkeeper.control.usage import Names, find_record, list_doubtful, read_names
from tollkeeper.control.usage_records import describe_record
from tollkeeper.domain.tenancy import Organization
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.store.engine import Store

DAYS = timedelta(days=30)
RECORDS_MAX = 10_000


def usage(
    by: ByOption = ["model"],  # noqa: B006  # Typer reads it and hands out copies
    first: FromOption = None,
    last: ToOption = None,
    project: ProjectOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    estimated: Annotated[
        bool, typer.Option("--estimated", help="List the calls whose amount is an estimate or unknown.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=RECORDS_MAX, help="With --estimated: how many.")] = 100,
    record: Annotated[
        str | None, typer.Option("--record", help="Show one call whole, by its request id (req_…).")
    ] = None,
    form: FormatOption = "table",
    out: OutOption = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests, tokens and their cost; the last 30 days unless said otherwise."""
    usage_file.check_form(form, out, as_json=as_json)
    if form != "table" and (estimated or record is not None):
        raise typer.BadParameter("--format is for sums; single calls are printed, also as --json.")
    if record is not None:
        _one(record, org, config, database, as_json=as_json)
        return
    grouping, days = parse_by(by), (parse_day(first, "--from"), parse_day(last, "--to"))
    filters = (project, key, model)
    configuration = load(config, database)
    if estimated:

        async def doubtful(store: Store) -> tuple[Organization, list[UsageRecord]]:
            organization = await organization_of(store, org)
            last_day = days[1] or usage_question.today(organization)
            question = Question(grouping, days[0] or last_day - DAYS + timedelta(days=1), last_day, *filters)
            usage_question.check(question)
            from_us, to_us = usage_question.period(question, organization)
            wanted = await usage_question.filters_of(store, organization, question)
            return organization, await list_doubtful(
                store, organization.id, from_us=from_us, to_us=to_us, filters=wanted, limit=limit
            )

        organization, records = with_store(configuration, doubtful)
        if as_json:
            print_json({"object": "list", "data": [describe_record(each) for each in records]})
            return
        usage_records.show_doubtful(records, organization, limit=limit)
        return
    answer = with_store(
        configuration,
        lambda store: usage_question.ask(store, org, by=grouping, days=days, default_days=DAYS, filters=filters),
    )
    if form != "table":
        usage_file.write(answer, form, out)
        return
    (usage_table.show_json if as_json else usage_table.show)(answer, "usage")


def _one(reference: str, org: str | None, config: Path | None, database: str | None, *, as_json: bool) -> None:
    async def find(store: Store) -> tuple[Organization, UsageRecord, Names]:
        organization = await organization_of(store, org)
        record = await find_record(store, organization.id, reference)
        group: dict[str, str | None] = {"project_id": record.project_id, "api_key_id": record.api_key_id}
        return organization, record, await read_names(store, organization.id, [group])

    organization, record, names = with_store(load(config, database), find)
    if as_json:
        print_json(describe_record(record))
        return
    usage_records.show_record(record, organization, names)
