"""What an organization wants of its reports: which kinds, when they are sent, who gets them."""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.report_recipients import READ, check_recipients, receivers_of
from tollkeeper.domain.report_calendar import (
    REPORT_KINDS,
    WEEKDAYS,
    Calendar,
    ReportKind,
    ReportSettings,
    Weekday,
    default_settings,
    next_due_us,
)
from tollkeeper.store import organizations, report_settings
from tollkeeper.store.recipients import Permitted

MANAGE = "org:manage"


class SettingsState(msgspec.Struct, frozen=True):
    """The settings as they hold, by default where nothing was said; `receivers` is who would get a report now.

    `next_us` is when the next one of each kind is sent; kinds that are off are not in it.
    """

    settings: ReportSettings
    receivers: tuple[Permitted, ...]
    next_us: dict[ReportKind, int]
    timezone: str
    sends_email: bool


class SettingsChanges(msgspec.Struct, frozen=True):
    """What is to change; None stays. No `recipients` at all is everybody who may read reports."""

    weekly: bool | None = None
    monthly: bool | None = None
    weekday: Weekday | None = None
    hour: int | None = None
    recipients: tuple[str, ...] | None = None


async def get_settings(action: Action, rules: AccountRules) -> SettingsState:
    """Return how reports are set.

    Raises:
        PermissionDenied: the caller may not read the whole organization's usage.
    """
    action.require(READ, action.organization)
    return await _state(action, await settings_of(action, rules), rules)


async def change_settings(action: Action, rules: AccountRules, changes: SettingsChanges) -> SettingsState:
    """Change how reports are set. A kind that is turned on begins with the next report that is due.

    Raises:
        PermissionDenied: the caller does not manage the organization.
        NotFound: a recipient is no member.
        InvalidRequest: a recipient may not read reports, or there are too many.
    """
    action.require(MANAGE, action.organization)
    before = await settings_of(action, rules)
    if changes.recipients:
        await check_recipients(action, changes.recipients, param="recipients")
    after = ReportSettings(
        _since(before.weekly_since_us, is_on=changes.weekly, now_us=action.now_us),
        _since(before.monthly_since_us, is_on=changes.monthly, now_us=action.now_us),
        before.weekday if changes.weekday is None else WEEKDAYS.index(changes.weekday),
        before.hour if changes.hour is None else changes.hour,
        before.recipients if changes.recipients is None else tuple(dict.fromkeys(changes.recipients)),
    )
    assert 0 <= after.hour <= 23, "checked at the edge"
    await report_settings.put_settings(action.connection, action.organization_id, after, now_us=action.now_us)
    target = Target("report_settings", action.organization_id)
    action.record("report_settings.update", target, before=_shown(before), after=_shown(after))
    return await _state(action, after, rules)


async def settings_of(action: Action, rules: AccountRules) -> ReportSettings:
    """Return the settings that hold for the action's organization."""
    said = await report_settings.get_settings(action.connection, action.organization_id)
    if said is not None:
        return said
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its callers are gone with it"
    return default_settings(created_at_us=organization.created_at_us, sends_email=rules.sends_email)


async def _state(action: Action, settings: ReportSettings, rules: AccountRules) -> SettingsState:
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its callers are gone with it"
    calendar = Calendar(organization.timezone, organization.fiscal_month_start)
    return SettingsState(
        settings,
        tuple(await receivers_of(action, settings)),
        {
            kind: next_due_us(kind, action.now_us, settings, calendar)
            for kind in REPORT_KINDS
            if settings.since_us(kind) is not None
        },
        organization.timezone,
        rules.sends_email,
    )


def _since(before: int | None, *, is_on: bool | None, now_us: int) -> int | None:
    """Return since when a kind is on: what was on stays on since then."""
    if is_on is None:
        return before
    if not is_on:
        return None
    return now_us if before is None else before


def _shown(settings: ReportSettings) -> dict[str, Any]:
    return {
        "weekly": settings.weekly_since_us is not None,
        "monthly": settings.monthly_since_us is not None,
        "weekday": WEEKDAYS[settings.weekday],
        "hour": settings.hour,
        "recipients": settings.recipients,
    }
