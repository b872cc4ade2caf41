"""What is told of alerts: as an e-mail, as a text for Slack, and as the JSON of a webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tollkeeper.domain.alert import USED_UP_PERMILLE, Alert, AlertKind
from tollkeeper.domain.money import format_usd
from tollkeeper.kit.clock import utc
from tollkeeper.notify import english, korean
from tollkeeper.notify.foreign_text import shown
from tollkeeper.notify.letter import Letter, lay_out
from tollkeeper.notify.message import Message
from tollkeeper.notify.reader import Language, Reader
from tollkeeper.notify.wording import BudgetWords, OverrunWords, Wording

TEST_TYPE = "alert.test"
_WORDINGS: Mapping[Language, Wording] = {"en": english, "ko": korean}


def path_of(alert: Alert) -> str:
    """Return the page that an alert leads to: its budget's, the credit's, or the calls' where it is about no budget."""
    if alert.scope_kind == "credit":
        return f"/{alert.organization_id}/credits"
    return (
        f"/{alert.organization_id}/budgets/{alert.budget_id}" if alert.budget_id else f"/{alert.organization_id}/calls"
    )


def email(reader: Reader, alert: Alert, *, organization: str, path: str = "") -> Message:
    """Tell somebody who manages quotas of an alert; `path` is another page to lead to than its own."""
    stationery = _WORDINGS[reader.language].STATIONERY
    letter = _letter(reader, alert, organization)
    return lay_out(letter, stationery, link=reader.link(path or path_of(alert)), public_url=reader.public_url)


def text(reader: Reader, alert: Alert, *, organization: str) -> str:
    """Tell of an alert in a few lines without any markup."""
    return _lines(_letter(reader, alert, organization), reader.link(path_of(alert)))


def event(alert: Alert, *, organization: str) -> bytes:
    """Return an alert as the JSON of a webhook; amounts are exact numbers, dollars where the unit is usd.

    A projection and an overrun have no threshold, an overrun has no limit either: null.
    """
    data = {
        "id": alert.id,
        "organization_id": alert.organization_id,
        "organization_name": organization,
        "kind": alert.kind.value,
        "action": alert.action,
        "budget_id": alert.budget_id or None,
        "scope_kind": alert.scope_kind,
        "scope_id": alert.scope_id,
        "scope_name": alert.scope_name or None,
        "model": alert.model or None,
        "unit": alert.unit,
        "period": alert.period or None,
        "threshold": msgspec.Raw(_decimal(alert.threshold_permille, 3)) if alert.threshold_permille else None,
        "limit": _number(alert.limit_amount, alert.unit) if alert.budget_id else None,
        "used": _number(alert.used, alert.unit),
        "projected": None if alert.projected is None else _number(alert.projected, alert.unit),
        "window_start": _time(alert.window_start_us),
        "window_end": None if alert.window_end_us is None else _time(alert.window_end_us),
    }
    return _event(type_of(alert), alert.fired_at_us, data)


def type_of(alert: Alert) -> str:
    """Return what a webhook calls an alert."""
    if alert.kind is AlertKind.THRESHOLD:
        return "budget.stopped" if alert.action == "disable" else "budget.threshold_reached"
    return "budget.projected_overrun" if alert.kind is AlertKind.PROJECTED else "calls.overrun"


def probe_text(reader: Reader, *, organization: str) -> str:
    """Say in a few lines that this is a test."""
    letter = _WORDINGS[reader.language].alert_test(organization=shown(organization))
    return _lines(letter, reader.link("/"))


def probe_event(*, organization_id: str, target_id: str, at_us: int) -> bytes:
    """Return the JSON of a webhook that is a test."""
    return _event(TEST_TYPE, at_us, {"organization_id": organization_id, "target_id": target_id})


def _letter(reader: Reader, alert: Alert, organization: str) -> Letter:
    wording = _WORDINGS[reader.language]
    if alert.kind is AlertKind.OVERRUN:
        hour = reader.when(alert.window_start_us)
        return wording.overrun(OverrunWords(shown(organization), f"${format_usd(alert.used)}", hour))
    kind = alert.kind.value if alert.action != "disable" else "stopped"

    def amount(value: int) -> str:
        return f"${format_usd(value)}" if alert.unit == "usd" else wording.counted(value, alert.unit)

    used_permille = alert.used * 1_000 // alert.limit_amount if alert.limit_amount else USED_UP_PERMILLE
    said = BudgetWords(
        kind=kind,
        scope_kind=alert.scope_kind,
        scope=shown(alert.scope_name or alert.scope_id),
        organization=shown(organization),
        model=shown(alert.model) if alert.model else "",
        period=alert.period,
        percent=_percent(alert.threshold_permille),
        used_percent=_percent(used_permille),
        limit=amount(alert.limit_amount),
        used=amount(alert.used),
        projected="" if alert.projected is None else amount(alert.projected),
        until="" if alert.window_end_us is None else reader.when(alert.window_end_us),
        is_used_up=used_permille >= USED_UP_PERMILLE,
    )
    return wording.budget_alert(said)


def _lines(letter: Letter, link: str) -> str:
    facts = [f"{label}: {value}" for label, value in letter.facts]
    return "\n".join([letter.subject, *letter.paragraphs, *facts, link])


def _event(kind: str, at_us: int, data: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "timestamp": _time(at_us), "data": data})


def _number(amount: int, unit: str) -> msgspec.Raw | int:
    return msgspec.Raw(format_usd(amount, places_min=0).encode()) if unit == "usd" else amount


def _percent(permille: int) -> str:
    return f"{_decimal(permille, 1).decode()} %"


def _decimal(value: int, places: int) -> bytes:
    whole, part = divmod(value, 10**places)
    digits = f"{part:0{places}d}".rstrip("0")
    return (f"{whole}.{digits}" if digits else str(whole)).encode()


def _time(at_us: int) -> str:
    return utc(at_us).isoformat().replace("+00:00", "Z")
