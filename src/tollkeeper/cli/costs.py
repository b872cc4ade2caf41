"""`tollkeeper costs`: what the calls cost, by what you like."""

from __future__ import annotations

from tollkeeper.cli import usage_file, usage_question, usage_table
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load, with_store
from tollkeeper.cli.usage_file import FormatOption, OutOption
from tollkeeper.cli.usage_question import (
    ByOption,
    FromOption,
    KeyOption,
    ModelOption,
    ProjectOption,
    ToOption,
    parse_by,
    parse_day,
)


def costs(
    by: ByOption = ["model"],  # noqa: B006  # Typer reads it and hands out copies
    first: FromOption = None,
    last: ToOption = None,
    project: ProjectOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    form: FormatOption = "table",
    out: OutOption = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show costs and each part's share; this month unless said otherwise."""
    usage_file.check_form(form, out, as_json=as_json)
    grouping, days = parse_by(by), (parse_day(first, "--from"), parse_day(last, "--to"))
    answer = with_store(
        load(config, database),
        lambda store: usage_question.ask(
            store, org, by=grouping, days=days, default_days=None, filters=(project, key, model)
        ),
    )
    if form != "table":
        usage_file.write(answer, form, out)
        return
    (usage_table.show_json if as_json else usage_table.show)(answer, "costs")
