"""The outcome of verifying the audit log: found with a bar on a terminal, told to a person, shown to programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tollkeeper.cli.context import secrets_of
from tollkeeper.config import Configuration
from tollkeeper.control.audit_verification import ChainReport, KeptHeads, verify_chains
from tollkeeper.store.engine import Store

_HEADS_SHOWN_MAX = 20


async def verify_all(
    store: Store,
    configuration: Configuration,
    organization_ids: list[str],
    *,
    kept: KeptHeads | None = None,
    show_progress: bool,
) -> list[ChainReport]:
    """Verify chains, with a bar on a terminal; the pepper is asked for only when there are some."""
    if not organization_ids:
        return []
    secrets = await secrets_of(configuration, store)
    console = Console(stderr=True)
    columns = (
        TextColumn("audit log"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("logs, {task.fields[events]:,} events"),
    )
    reports: list[ChainReport] = []
    with Progress(
        *columns, console=console, transient=True, disable=not show_progress or not console.is_terminal
    ) as bar:
        task = bar.add_task("audit log", total=len(organization_ids), events=0)
        events = 0

        def advance(count: int) -> None:
            nonlocal events
            events += count
            bar.update(task, events=events)

        async for report in verify_chains(store, secrets.audit_key, organization_ids, kept=kept, on_progress=advance):
            reports.append(report)
            bar.advance(task)
    return reports


def as_object(reports: list[ChainReport]) -> dict[str, Any]:
    """Return the outcome as the JSON that programs get, and that --heads reads."""
    return {
        "is_whole": not any(report.faults_count for report in reports),
        "events": sum(report.events for report in reports),
        "logs": [
            {
                "organization_id": report.organization_id,
                "events": report.events,
                "head": {"number": report.head.number, "mac": report.head.mac.hex()} if report.head else None,
                "faults_count": report.faults_count,
                "faults": [
                    {"kind": fault.kind, "first": fault.first, "last": fault.last, "message": fault.message}
                    for fault in report.faults
                ],
            }
            for report in reports
        ],
    }


def print_reports(reports: list[ChainReport]) -> None:
    """Tell a person the outcome."""
    events, broken = sum(report.events for report in reports), 0
    for report in reports:
        whose = f"organization {report.organization_id}" if report.organization_id else "the installation"
        for fault in report.faults:
            print(f"audit log of {whose}: {fault.message}")
        if report.faults_count > len(report.faults):
            print(f"audit log of {whose}: … and {report.faults_count - len(report.faults):,} more")
        broken += bool(report.faults_count)
        if report.head is not None and len(reports) <= _HEADS_SHOWN_MAX:
            print(f"head of {whose}: {report.head.number}:{report.head.mac.hex()}")
    if len(reports) > _HEADS_SHOWN_MAX:
        print("--json prints the heads of all logs.")
    state = f"{broken:,} of them not as they were written" if broken else "as they were written"
    print(f"{events:,} audit events in {len(reports):,} logs: {state}.")
