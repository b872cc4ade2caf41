"""The job that sends the reports of weeks and months when their turn comes."""

from __future__ import annotations

import logging

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration
from tollkeeper.control.report_schedule import note_letters, send_due_reports
from tollkeeper.jobs.schedule import Job

INTERVAL_S = 60.0
"""How long a report may be late."""

_log = logging.getLogger(__name__)


def send_reports(administration: Administration, rules: AccountRules) -> Job:
    """Return the job."""

    async def run() -> None:
        sent = await send_due_reports(administration, rules)
        if sent:
            _log.info("made %d %s", sent, "report" if sent == 1 else "reports")
        await note_letters(administration)

    return Job("send_reports", INTERVAL_S, run)
