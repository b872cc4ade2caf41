"""`tollkeeper audit`: list and export the audit log, and verify that nobody changed it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tollkeeper.cli.audit_file import verify_file
from tollkeeper.cli.audit_report import as_object, print_reports, verify_all
from tollkeeper.cli.context import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    OrganizationOption,
    day,
    load,
    organization_of,
    print_json,
    secrets_of,
    with_store,
)
from tollkeeper.cli.operator import user_name
from tollkeeper.config import Configuration
from tollkeeper.control import audit
from tollkeeper.control.administration import Administration, Caller, operator
from tollkeeper.control.audit_export import Form, export_header, export_line, shown_event
from tollkeeper.control.audit_verification import ChainReport, KeptHeads, chains_to_verify
from tollkeeper.domain.audit import INSTALLATION, AuditEvent
from tollkeeper.domain.audit_chain import Head
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.engine import Store

app = typer.Typer(help="List, export and verify the audit log.", no_args_is_help=True)
_MAC_BYTES = 32

InstallationOption = Annotated[
    bool, typer.Option("--installation", help="The installation's own log: what concerns no organization.")
]
ActorOption = Annotated[str | None, typer.Option("--actor", help="Who did it: the id of an account or a key.")]
ActionOption = Annotated[str | None, typer.Option("--action", help="team.create, or team. for all that begin so.")]
TargetOption = Annotated[str | None, typer.Option("--target", help="The id of what it was done to.")]
FromOption = Annotated[str | None, typer.Option("--from", help="From this moment on: ISO 8601, UTC unless it says.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Before this moment.")]


@app.command("list")
def list_(
    org: OrganizationOption = None,
    installation: InstallationOption = False,
    actor: ActorOption = None,
    action: ActionOption = None,
    target: TargetOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The most to show.")] = 50,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was done, newest first."""
    wanted = _filter(actor, action, target, begin, end)
    configuration = load(config, database)

    async def work(store: Store) -> list[AuditEvent]:
        administration, caller = await _administration(configuration, store, org, is_installation=installation)
        return await administration.look(caller, audit.list_events, wanted, limit=limit)

    found = with_store(configuration, work)
    if as_json:
        print_json({"object": "list", "data": [shown_event(event) for event in found]})
        return
    if not found:
        typer.echo("No events.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("number", "at", "who", "from", "action", "what"):
        table.add_column(title, overflow="fold")
    for event in found:
        who, what = event.actor_name or event.actor_id, event.target_name or event.target_id
        row = (str(event.number), day(event.at_us), who, event.address or "–", event.action, what)
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


@app.command("export")
def export(
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else standard output.")] = None,
    org: OrganizationOption = None,
    installation: InstallationOption = False,
    actor: ActorOption = None,
    action: ActionOption = None,
    target: TargetOption = None,
    begin: FromOption = None,
    end: ToOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the log out, oldest first; that it was exported is an event itself. --json is --format jsonl."""
    if form not in {"jsonl", "csv"} or (as_json and form != "jsonl"):
        raise InvalidRequest("The format must be jsonl or csv.", param="format")
    chosen: Form = "csv" if form == "csv" else "jsonl"
    wanted = _filter(actor, action, target, begin, end)
    configuration = load(config, database)

    async def work(store: Store) -> None:
        administration, caller = await _administration(configuration, store, org, is_installation=installation)
        last = await administration.change(caller, audit.export_events, wanted, form=chosen)
        opened: AbstractContextManager[BinaryIO] = open(out, "wb") if out else nullcontext(sys.stdout.buffer)  # noqa: SIM115, PTH123, ASYNC230
        with opened as file:
            file.write(export_header(chosen))
            async for page in audit.read_export(administration, caller, wanted, last=last):
                file.write(b"".join(export_line(event, chosen) for event in page))

    with_store(configuration, work)


@app.command("verify")
def verify(
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's log, by id or name.")] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="An end kept earlier, NUMBER:MAC, of the one log that is verified.")
    ] = None,
    heads: Annotated[
        Path | None,
        typer.Option("--heads", help="What an earlier `audit verify --json` printed: all ends as kept then."),
    ] = None,
    exported: Annotated[
        Path | None,
        typer.Option("--file", help="Check this export instead, JSON Lines or CSV, with this installation's pepper."),
    ] = None,
    installation: InstallationOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every log, the installation's own included: exit 1 when one was changed. Keep the heads elsewhere."""
    configuration = load(config, database)
    if exported is not None:
        kept_end = None if head is None else _parse_head(head)
        verify_file(configuration, exported, org=org, is_installation=installation, head=kept_end, as_json=as_json)
        return
    if installation:
        raise InvalidRequest("--installation goes with --file: without one every log is checked.", param="installation")

    async def work(store: Store) -> list[ChainReport]:
        kept = _read_heads(heads) if heads else {}
        chosen: list[str] = [(await organization_of(store, org)).id] if org else await chains_to_verify(store, kept)
        if head is not None:
            if len(chosen) != 1:
                raise InvalidRequest("Which log is it the head of? Say it with --org.", param="head")
            kept = {chosen[0]: (_parse_head(head),)}
        return await verify_all(store, configuration, chosen, kept=kept, show_progress=not as_json)

    reports = with_store(configuration, work)
    if as_json:
        print_json(as_object(reports))
    else:
        print_reports(reports)
    if any(report.faults_count for report in reports):
        sys.exit(1)


async def _administration(
    configuration: Configuration, store: Store, org: str | None, *, is_installation: bool
) -> tuple[Administration, Caller]:
    secrets = await secrets_of(configuration, store)
    organization_id = INSTALLATION if is_installation else (await organization_of(store, org)).id
    return Administration(store, secrets), operator(organization_id, name=user_name())


def _filter(
    actor: str | None, action: str | None, target: str | None, begin: str | None, end: str | None
) -> audit.AuditFilter:
    return audit.AuditFilter(
        actor_id=actor,
        action=action,
        target_id=target,
        from_us=_time_us(begin, "from") if begin else None,
        to_us=_time_us(end, "to") if end else None,
    )


def _time_us(text: str, param: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"'{text}' is not a time such as 2027-01-31T09:00:00Z.", param=param) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def _parse_head(text: str) -> Head:
    number, _, mac = text.partition(":")
    try:
        head = Head(int(number), bytes.fromhex(mac))
    except ValueError:
        head = Head(0, b"")
    if head.number < 1 or len(head.mac) != _MAC_BYTES:
        raise InvalidRequest("A head looks like 120:9f86d0…, as `audit verify` prints it.", param="head")
    return head


class _KeptHead(msgspec.Struct):
    number: int
    mac: str


class _KeptLog(msgspec.Struct):
    organization_id: str
    head: _KeptHead | None


class _KeptLogs(msgspec.Struct):
    logs: list[_KeptLog]


def _read_heads(path: Path) -> KeptHeads:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_KeptLogs)
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidRequest(f"{path} holds no heads as `audit verify --json` prints them: {error}") from None
    return {
        log.organization_id: (_parse_head(f"{log.head.number}:{log.head.mac}"),)
        for log in kept.logs
        if log.head is not None and log.head.number
    }
