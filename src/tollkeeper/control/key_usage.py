"""What one api key was used for: requests, costs and mean latency by model, over the last days of the organization."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.key_rights import find_key, is_own, places_of
from tollkeeper.domain.access import decide
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.money import known_amount
from tollkeeper.kit.clock import utc
from tollkeeper.store import organizations, usage_reports
from tollkeeper.store.usage_reports import Report, UsageRow


class ModelUse(msgspec.Struct, frozen=True):
    """The calls of one model. `cost_nanos` covers the priced ones and is None when it is not known."""

    requests: int
    errors: int
    unpriced_requests: int
    cost_nanos: int | None


class KeyUse(msgspec.Struct, frozen=True):
    """The calls of a key of [from_us, to_us); `mean_latency_us` is None without any. See `ModelUse`."""

    key: ApiKey
    from_us: int
    to_us: int
    timezone: str
    requests: int
    errors: int
    unpriced_requests: int
    cost_nanos: int | None
    mean_latency_us: int | None
    by_model: dict[str, ModelUse]


async def read_key_use(action: Action, key_id: str, *, days: int) -> KeyUse:
    """Report the use of a key, a deleted one too, over the last `days` days, today included.

    Raises:
        NotFound: there is no such key that the caller may know of.
        PermissionDenied: the caller may not see its usage.
    """
    key = await find_key(action, key_id, is_deleted_good=True)
    place = (await places_of(action, key))[0]
    if not (is_own(action, key) and decide(action.caller.principal, "analytics:own", place).is_allowed):
        action.require("analytics:full", place)
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "a caller's organization exists"
    from_us = _midnight_us(action.now_us, organization.timezone, days_ago=days - 1)
    report = Report(from_us, action.now_us, group_by=("model",), filters={"api_key_id": (key.id,)})
    rows = await usage_reports.report_usage(action.connection, action.organization_id, report)
    requests = sum(row.requests for row in rows)
    unpriced = sum(row.unpriced_requests for row in rows)
    return KeyUse(
        key=key,
        from_us=from_us,
        to_us=action.now_us,
        timezone=organization.timezone,
        requests=requests,
        errors=sum(row.errors for row in rows),
        unpriced_requests=unpriced,
        cost_nanos=known_amount(sum(row.amount_nanos for row in rows), unpriced=unpriced),
        mean_latency_us=sum(row.latency_us_total for row in rows) // requests if requests else None,
        by_model={row.group["model"]: _of_model(row) for row in sorted(rows, key=_most_first)},
    )


def _of_model(row: UsageRow) -> ModelUse:
    cost_nanos = known_amount(row.amount_nanos, unpriced=row.unpriced_requests)
    return ModelUse(row.requests, row.errors, row.unpriced_requests, cost_nanos)


def _most_first(row: UsageRow) -> tuple[int, str]:
    return -row.requests, row.group["model"]


def _midnight_us(now_us: int, timezone: str, *, days_ago: int) -> int:
    zone = ZoneInfo(timezone)
    date = utc(now_us).astimezone(zone).date() - timedelta(days=days_ago)
    return int(datetime(date.year, date.month, date.day, tzinfo=zone).timestamp()) * 1_000_000
