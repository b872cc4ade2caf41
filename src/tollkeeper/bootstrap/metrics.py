"""Wires `/metrics`: gathers the figures of this process's parts, and of the workers beside it."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tollkeeper import config
from tollkeeper.control.health import is_database_reachable
from tollkeeper.gateway.server_protocol import ServerProtocol
from tollkeeper.kit import clock
from tollkeeper.observability.call_figures import add_calls
from tollkeeper.observability.figures import Figures, FigureSheet
from tollkeeper.observability.metrics_page import MetricsPage, Readers
from tollkeeper.observability.process_figures import add_process
from tollkeeper.observability.worker_figures import WorkerFigures

if TYPE_CHECKING:
    from tollkeeper.bootstrap.data_plane import DataPlane
    from tollkeeper.jobs.schedule import JobFigures
    from tollkeeper.store.engine import Store

DATABASE_S = 2.0
"""How long a scrape waits for the database: less than the ten seconds that Prometheus waits for the scrape."""
_log = logging.getLogger(__name__)


class ProcessFigures:
    """The figures of this process. A replica that forwards no calls has no `plane`, one that does no jobs no `jobs`."""

    def __init__(self, store: Store, plane: DataPlane | None, jobs: Sequence[JobFigures]) -> None:
        self._store, self._plane, self._jobs = store, plane, jobs

    async def collect(self) -> Figures:
        """Return them as they are now."""
        is_database_up = await self._is_database_up()
        sheet = FigureSheet()
        if self._plane is not None:
            _add_plane(sheet, self._plane)
        _add_jobs(sheet, self._jobs, now_us=clock.now_us())
        sheet.add("tollkeeper_client_connections", len(ServerProtocol.open_connections))
        sheet.add("tollkeeper_database_up", int(is_database_up))
        sheet.add("tollkeeper_build_info", 1, version("tollkeeper"), platform.python_version())
        add_process(sheet)
        return sheet.figures

    async def _is_database_up(self) -> bool:
        try:
            async with asyncio.timeout(DATABASE_S):
                return await is_database_reachable(self._store)
        except TimeoutError:
            return False


def open_metrics(
    configuration: config.Configuration,
    figures: ProcessFigures,
    closers: list[Callable[[], Awaitable[object]]],
) -> MetricsPage:
    """Return the page; what needs closing is added to `closers`."""
    readers = Readers(configuration.metrics_networks, configuration.metrics_token, configuration.trusted_proxies)
    folder = configuration.settings.metrics.directory
    if configuration.settings.server.workers > 1 and folder:
        try:
            workers = WorkerFigures(Path(folder), figures.collect)
        except OSError as error:
            _log.warning("metrics.directory: '%s' cannot be used: %s; each worker shows itself alone", folder, error)
        else:
            workers.start()
            closers.append(workers.aclose)
            return MetricsPage(workers.collect_all, readers)

    async def collect_own() -> Mapping[str, Figures]:
        return {"": await figures.collect()}

    return MetricsPage(collect_own, readers)


def _add_plane(sheet: FigureSheet, plane: DataPlane) -> None:
    add_calls(sheet, plane.observer.counted)
    if plane.observer.traces is not None:
        sheet.add_all("tollkeeper_traces_total", (((name,), n) for name, n in plane.observer.traces.figures.items()))
    sheet.add("tollkeeper_calls_in_flight", plane.gateway.in_flight)
    sheet.add("tollkeeper_streams_open", plane.relay.streams)
    sheet.add("tollkeeper_drains_open", plane.relay.drains)
    sheet.add("tollkeeper_background_responses", plane.backgrounds.followed)
    connections = plane.client.figures()
    sheet.add("tollkeeper_provider_connections", connections.busy, "busy")
    sheet.add("tollkeeper_provider_connections", connections.idle, "idle")
    sheet.add("tollkeeper_provider_connections_waited_for", connections.waiting)
    sheet.add("tollkeeper_refusal_notes_dropped_total", plane.refusals.figures().dropped)
    sheet.add("tollkeeper_replicas", plane.budgets.replicas)
    _add_books(sheet, plane)


def _add_books(sheet: FigureSheet, plane: DataPlane) -> None:
    books = plane.ledger.figures()
    flusher = books.flusher
    sheet.add("tollkeeper_journal_admitting", int(plane.ledger.is_admitting))
    sheet.add("tollkeeper_journal_open_reservations", books.open_reservations)
    sheet.add("tollkeeper_journal_backlog_records", flusher.queued)
    sheet.add("tollkeeper_journal_backlog_bytes", books.waiting_bytes)
    sheet.add("tollkeeper_journal_backlog_oldest_seconds", int(flusher.oldest_age_s * 1_000_000))
    sheet.add("tollkeeper_journal_file_bytes", books.journal_bytes)
    sheet.add("tollkeeper_journal_flushed_total", flusher.flushed)
    sheet.add("tollkeeper_journal_set_aside_total", flusher.set_aside)
    for unit, leases in plane.budgets.figures().items():
        sheet.add("tollkeeper_leases", leases.leases, unit)
        if unit == "usd":
            sheet.add("tollkeeper_lease_escrow_usd", leases.escrow)
            sheet.add("tollkeeper_lease_free_usd", leases.free)
        else:
            sheet.add("tollkeeper_lease_escrow", leases.escrow, unit)
            sheet.add("tollkeeper_lease_free", leases.free, unit)


def _add_jobs(sheet: FigureSheet, jobs: Sequence[JobFigures], *, now_us: int) -> None:
    for job in jobs:
        sheet.add("tollkeeper_job_failures_total", job.failures, job.name)
        if job.succeeded_us:
            sheet.add("tollkeeper_job_last_success_timestamp_seconds", job.succeeded_us, job.name)
            sheet.add("tollkeeper_job_duration_seconds", job.duration_us, job.name)
        if job.due_us:
            sheet.add("tollkeeper_job_next_due_timestamp_seconds", job.due_us, job.name)
            sheet.add("tollkeeper_job_lag_seconds", max(0, now_us - job.due_us), job.name)
