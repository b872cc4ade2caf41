"""`tollkeeper audit verify --file`: whether an export of the audit log is as it was written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from tollkeeper.cli.context import organization_of, print_json, secrets_of, with_store
from tollkeeper.config import Configuration
from tollkeeper.control.audit_file import check_file
from tollkeeper.domain.audit import INSTALLATION
from tollkeeper.domain.audit_chain import Head
from tollkeeper.domain.audit_copy import CopyReport
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.engine import Store

_GAPS_SHOWN_MAX = 10


def verify_file(
    configuration: Configuration,
    path: Path,
    *,
    org: str | None,
    is_installation: bool,
    head: Head | None,
    as_json: bool,
) -> None:
    """Check an export and tell the outcome; exit 1 when something in it was changed.

    Raises:
        InvalidRequest: the file cannot be read.
    """

    async def work(store: Store) -> CopyReport:
        secrets = await secrets_of(configuration, store)
        organization_id = INSTALLATION if is_installation else (await organization_of(store, org)).id
        kept = {head.number: head.mac} if head is not None else None
        try:
            with path.open("rb") as file:  # a command has nothing else to do
                return check_file(file, organization_id, secrets.audit_key, kept=kept)
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read: {error.strerror}.", param="file") from None

    report = with_store(configuration, work)
    if as_json:
        print_json(_as_object(report))
    else:
        _print(report)
    if report.faults_count:
        sys.exit(1)


def _as_object(report: CopyReport) -> dict[str, Any]:
    return {
        "is_whole": not report.faults_count,
        "organization_id": report.organization_id,
        "events": report.events,
        "head": {"number": report.head.number, "mac": report.head.mac.hex()} if report.head else None,
        "missing": report.missing,
        "gaps": [{"first": first, "last": last} for first, last in report.gaps],
        "faults_count": report.faults_count,
        "faults": [
            {"kind": fault.kind, "first": fault.first, "last": fault.last, "message": fault.message}
            for fault in report.faults
        ],
    }


def _print(report: CopyReport) -> None:
    for fault in report.faults:
        typer.echo(fault.message)
    if report.faults_count > len(report.faults):
        typer.echo(f"… and {report.faults_count - len(report.faults):,} more")
    if report.missing:
        shown = ", ".join(
            f"{first} to {last}" if first != last else str(first) for first, last in report.gaps[:_GAPS_SHOWN_MAX]
        )
        more = " …" if len(report.gaps) > _GAPS_SHOWN_MAX else ""
        typer.echo(
            f"Not in the file: {report.missing:,} events, number {shown}{more}. A search leaves out what it does not find."
        )
    if report.head is not None:
        typer.echo(f"last event: {report.head.number}:{report.head.mac.hex()}")
    state = f"{report.faults_count:,} not as they were written" if report.faults_count else "all as they were written"
    typer.echo(f"{report.events:,} audit events in the file: {state}.")
