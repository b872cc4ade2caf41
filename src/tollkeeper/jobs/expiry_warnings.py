"""The job that tells people of api keys which end soon."""

from __future__ import annotations

import logging

from tollkeeper.control.expiry_warnings import warn_of_ending_keys
from tollkeeper.jobs.schedule import Job
from tollkeeper.kit.vault import Vault
from tollkeeper.store.engine import Store

INTERVAL_S = 3600.0

_log = logging.getLogger(__name__)


def expiry_warnings(store: Store, vault: Vault, *, days: tuple[int, ...], public_url: str) -> Job:
    """Return the job; `days` are how many days ahead people are told."""

    async def run() -> None:
        warned = await warn_of_ending_keys(store, vault, days=days, public_url=public_url)
        if warned:
            _log.info("warned of %d API keys that end soon", warned)

    return Job("expiry_warnings", INTERVAL_S, run)
