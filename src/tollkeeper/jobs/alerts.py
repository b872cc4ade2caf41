"""The jobs that fire alerts and hand those for Slack and webhooks to their targets."""

from __future__ import annotations

import logging

from tollkeeper.control.alerting import Watch
from tollkeeper.control.outbox import Delivery
from tollkeeper.jobs.schedule import Job

INTERVAL_S = 5.0
"""How long a threshold may be reached before it fires."""
DELIVERY_INTERVAL_S = 2.0

_log = logging.getLogger(__name__)


def fire_alerts(watch: Watch) -> Job:
    """Return the job that looks at budgets."""

    async def run() -> None:
        fired = await watch.look()
        if fired:
            _log.info("%d %s fired", fired, "alert" if fired == 1 else "alerts")

    return Job("fire_alerts", INTERVAL_S, run)


def deliver_hooks(delivery: Delivery) -> Job:
    """Return the job that posts to targets; e-mails have their own, so that a slow target keeps none waiting."""

    async def run() -> None:
        while await delivery.deliver_due():  # in short rounds, in which every organization has its turn
            pass

    return Job("deliver_hooks", DELIVERY_INTERVAL_S, run)
