"""What another time zone, or another first day of months, does to the windows of budgets that run now."""

from __future__ import annotations

import msgspec

from tollkeeper.control.organizations import MONTH_START_MAX
from tollkeeper.domain.budget import Period
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Organization
from tollkeeper.domain.timezone import check_timezone
from tollkeeper.domain.window import Window, window_at

_PERIODS: tuple[Period, ...] = ("daily", "weekly", "monthly")


class WindowChange(msgspec.Struct, frozen=True):
    """The window that budgets of a period are in now, and the one that they would be in at once."""

    period: Period
    before: Window
    after: Window


def window_changes(organization: Organization, *, timezone: str, month_start: int, at_us: int) -> list[WindowChange]:
    """Return the windows that would be others; none for a calendar that cannot be: saving it says what is wrong."""
    try:
        check_timezone(timezone)
    except InvalidRequest:
        return []
    if not 1 <= month_start <= MONTH_START_MAX:
        return []
    changes = [
        WindowChange(
            period,
            window_at(period, at_us, organization.timezone, organization.fiscal_month_start),
            window_at(period, at_us, timezone, month_start),
        )
        for period in _PERIODS
    ]
    return [each for each in changes if each.before != each.after]
