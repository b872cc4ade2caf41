"""The job that adds ended days and months up for reports."""

from __future__ import annotations

from tollkeeper.control.closing import close_spans
from tollkeeper.jobs.schedule import Job
from tollkeeper.kit.clock import now_us
from tollkeeper.store.engine import Store

INTERVAL_S = 300.0


def close_ended_spans(store: Store) -> Job:
    """Return the job."""

    async def run() -> int:
        return await close_spans(store, at_us=now_us())

    return Job("close_spans", INTERVAL_S, run)
