"""The job that hands e-mails of the outbox to the mail server."""

from __future__ import annotations

from tollkeeper.control.outbox import BATCH_MAX, Delivery
from tollkeeper.jobs.schedule import Job

INTERVAL_S = 2.0
"""How long an e-mail may wait before its first attempt, when there are few."""


def deliver_outbox(delivery: Delivery) -> Job:
    """Return the job."""

    async def run() -> None:
        while await delivery.deliver_due() == BATCH_MAX:
            pass

    return Job("deliver_outbox", INTERVAL_S, run)
