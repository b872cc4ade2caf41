"""What a report on usage or costs is asked with: the options' meaning, and the answer with names instead of ids."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from tollkeeper.cli.context import organization_of
from tollkeeper.control.organizations import choose_project
from tollkeeper.control.usage import Names, Report, UsageLine, choose_key, read_names, summarize
from tollkeeper.control.usage_lines import Grouping, parse_grouping
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Organization
from tollkeeper.kit.clock import now_us, utc
from tollkeeper.store.engine import Store

ByOption = Annotated[
    list[str],
    typer.Option(
        "--by",
        help="hour, day, month, model, key, project, team, member, provider, operation or label:NAME; several with commas.",
    ),
]
FromOption = Annotated[str | None, typer.Option("--from", help="First day, in the organization's timezone.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Last day, that day included; today if left out.")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="Only this project, by id or name.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Only this API key, by id or name.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Only this model, as the provider names it.")]


class Question(msgspec.Struct, frozen=True):
    """A checked question. The days are in the organization's timezone, both included."""

    by: Grouping
    first_day: date
    last_day: date
    project: str | None = None
    key: str | None = None
    model: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """The lines in the order to be shown: by time, then the dearest first."""

    question: Question
    organization: Organization
    report: Report
    lines: list[UsageLine]
    names: Names


def parse_by(options: list[str]) -> Grouping:
    """Read `--by`, repeated or with commas.

    Raises:
        typer.BadParameter: something that nothing is grouped by, two times together, several labels, or a label
            with what labels are not counted by.
    """
    try:
        return parse_grouping(options)
    except InvalidRequest as error:
        raise typer.BadParameter(f"--by: {error.message}") from None


def parse_day(text: str | None, option: str) -> date | None:
    """Read a day such as 2026-11-01.

    Raises:
        typer.BadParameter: it is none.
    """
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} '{text}': use a day such as 2026-11-01.") from None
    if not 1970 < day.year < 2100:
        raise typer.BadParameter(f"{option} '{text}' is out of range.")
    return day


def today(organization: Organization) -> date:
    """Return today's date where the organization is."""
    return utc(now_us()).astimezone(ZoneInfo(organization.timezone)).date()


def period(question: Question, organization: Organization) -> tuple[int, int]:
    """Return the question's days as [from, to) in microseconds."""
    zone = ZoneInfo(organization.timezone)
    return midnight_us(question.first_day, zone), midnight_us(question.last_day + timedelta(days=1), zone)


def check(question: Question) -> None:
    """Pass when the question can be answered.

    Raises:
        typer.BadParameter: the days are reversed, or a key is asked for by label.
    """
    if question.last_day < question.first_day:
        raise typer.BadParameter("--to is before --from.")
    if question.by.label is not None and question.key is not None:
        raise typer.BadParameter("--key: labels are counted by hour, day, month, team, project and model only.")


async def filters_of(store: Store, organization: Organization, question: Question) -> dict[str, str]:
    """Return the question's filters: column -> id.

    Raises:
        NotFound: no such project or key.
        InvalidRequest: several keys have this name.
    """
    filters: dict[str, str] = {}
    if question.project is not None:
        filters["project_id"] = (await choose_project(store, organization.id, question.project)).id
    if question.key is not None:
        filters["api_key_id"] = (await choose_key(store, organization.id, question.key)).id
    if question.model is not None:
        filters["model"] = question.model
    return filters


async def answer(store: Store, organization: Organization, question: Question) -> Answer:
    """Read the reports that answer a question.

    Raises:
        NotFound: no such project or key.
        InvalidRequest: several keys have this name.
    """
    check(question)
    from_us, to_us = period(question, organization)
    report = Report(
        from_us,
        to_us,
        bucket=question.by.bucket,
        timezone=organization.timezone,
        group_by=question.by.columns,
        filters={name: (value,) for name, value in (await filters_of(store, organization, question)).items()},
    )
    lines = await summarize(store, organization.id, report, label=question.by.label)
    lines.sort(key=lambda line: (line.from_us, -(line.amount_nanos or 0), -line.requests, _group_text(line)))
    names = await read_names(store, organization.id, [line.group for line in lines])
    return Answer(question, organization, report, lines, names)


async def ask(
    store: Store,
    org: str | None,
    *,
    by: Grouping,
    days: tuple[date | None, date | None],
    default_days: timedelta | None,
    filters: tuple[str | None, str | None, str | None],
) -> Answer:
    """Answer for the organization named. Without a first day: `default_days` up to the last, or its month."""
    organization = await organization_of(store, org)
    first, last = days
    last = last or today(organization)
    if first is None:
        first = last - default_days + timedelta(days=1) if default_days is not None else last.replace(day=1)
    project, key, model = filters
    return await answer(store, organization, Question(by, first, last, project, key, model))


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1_000_000


def _group_text(line: UsageLine) -> str:
    return "\0".join(value or "" for value in line.group.values())
