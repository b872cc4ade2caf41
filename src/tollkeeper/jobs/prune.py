"""The job that deletes what nobody needs any more."""

from __future__ import annotations

import logging

from tollkeeper.control.pruning import prune_store
from tollkeeper.jobs.schedule import Job
from tollkeeper.store.engine import Store

INTERVAL_S = 3600.0

_log = logging.getLogger(__name__)


def prune(store: Store) -> Job:
    """Return the job."""

    async def run() -> None:
        deleted = await prune_store(store)
        if deleted:
            _log.info("deleted %d rows that nobody needs any more", deleted)

    return Job("prune", INTERVAL_S, run)
