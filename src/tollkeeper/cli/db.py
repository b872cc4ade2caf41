"""`tollkeeper db`: bring the database to this version's schema, and check that its figures agree."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tollkeeper.cli import lease_report, ledger_report
from tollkeeper.cli.audit_report import as_object, print_reports, verify_all
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, load, print_json, with_store
from tollkeeper.config import Configuration
from tollkeeper.control.audit_verification import ChainReport, chains_to_verify
from tollkeeper.domain.errors import UnknownDatabase
from tollkeeper.kit.clock import utc
from tollkeeper.store.engine import Store
from tollkeeper.store.readiness import KNOWN_REVISIONS, SchemaState, read_state
from tollkeeper.store.verify import Difference, days_to_verify, verify_days
from tollkeeper.store.verify_spans import verify_spans

app = typer.Typer(help="Upgrade and verify the database.", no_args_is_help=True)
_SHOWN_MAX = 50
_US_PER_DAY = 86_400_000_000


@app.command()
def upgrade(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Bring the database to this version's schema; an empty one gets its tables. Running it again changes nothing."""
    url = load(config, database).settings.database.url
    before = asyncio.run(_upgrade(url))
    after = KNOWN_REVISIONS[-1]
    if as_json:
        print_json({"from": before, "to": after, "changed": before != after})
    elif before == after:
        print(f"The database is up to date (schema {after}).")
    else:
        print(f"The database is now at schema {after} (before: {before or 'empty'}).")


@app.command()
def verify(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Recount usage records, budgets and the ledger, compare all figures, verify the audit log; exit 1 on a difference."""
    configuration = load(config, database)
    report = with_store(configuration, lambda store: _verify(store, show_progress=not as_json))
    logs = with_store(configuration, lambda store: _verify_logs(store, configuration, show_progress=not as_json))
    ledger = ledger_report.as_object(with_store(configuration, ledger_report.verify_books))
    budgets = lease_report.as_object(with_store(configuration, lease_report.verify_all_budgets))
    if as_json:
        print_json({**report, "ledger": ledger, "budgets": budgets, "audit": as_object(logs)})
    else:
        _print_report(report)
        lease_report.print_report(budgets)
        ledger_report.print_report(ledger)
        print_reports(logs)
    figures = (report, budgets, ledger)
    if any(each["differences"] for each in figures) or any(log.faults_count for log in logs):
        sys.exit(1)


async def _upgrade(url: str) -> str | None:
    from tollkeeper.store.migrations import upgrade as upgrade_store

    store = Store.open(url)
    try:
        state, revision = await read_state(store)
        if state in {SchemaState.NEWER, SchemaState.FOREIGN}:
            message = (
                f"The database is of a newer version than this program (schema {revision}); update tollkeeper."
                if state is SchemaState.NEWER
                else "The database holds tables of something else; give tollkeeper one of its own (database.url)."
            )
            raise UnknownDatabase(message, state=state.value)
        return await upgrade_store(store)
    finally:
        await store.aclose()


async def _verify(store: Store, *, show_progress: bool) -> dict[str, Any]:
    days = await days_to_verify(store)
    records = 0
    differences: list[dict[str, Any]] = []
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not show_progress or not console.is_terminal
    ) as bar:
        task = bar.add_task("verifying", total=len(days))
        async for verified in verify_days(store, days):
            records += verified.records
            differences += [_as_json(difference, verified.day) for difference in verified.differences]
            bar.advance(task)
    async for difference in verify_spans(store):
        differences.append(_as_json(difference, int(difference.key["from_hour"]) // 24))
    return {
        "organizations": len({organization_id for organization_id, _ in days}),
        "days": len(days),
        "records": records,
        "differences": differences,
    }


async def _verify_logs(store: Store, configuration: Configuration, *, show_progress: bool) -> list[ChainReport]:
    return await verify_all(store, configuration, await chains_to_verify(store), show_progress=show_progress)


def _as_json(difference: Difference, day: int) -> dict[str, Any]:
    return {
        "table": difference.table,
        "day": utc(day * _US_PER_DAY).date().isoformat(),
        "key": difference.key,
        "column": difference.column,
        "expected": difference.expected,
        "found": difference.found,
    }


def _print_report(report: dict[str, Any]) -> None:
    differences = report["differences"]
    counted = f"{report['records']:,} usage records in {report['days']:,} organization-days"
    if not differences:
        print(f"{counted}: rollups and charge lines agree with them.")
        return
    for entry in differences[:_SHOWN_MAX]:
        key = " ".join(f"{name}={value}" for name, value in entry["key"].items() if value)
        print(
            f"{entry['day']} {entry['table']}.{entry['column']}: expected {entry['expected']}, found {entry['found']}"
        )
        print(f"    {key}")
    if len(differences) > _SHOWN_MAX:
        print(f"... and {len(differences) - _SHOWN_MAX:,} more; all of them with --json")
    print(f"{counted}: {len(differences):,} differences.")
