"""Alerts, their rules, targets and deliveries as the JSON that programs get, from the API and the command line alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.domain.alert import Alert, AlertTarget, KeptRule
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.store.outbox import MailState, MailStatus


def shown_rule(rule: KeptRule) -> dict[str, Any]:
    return {
        "object": "alert_rule",
        "id": rule.id,
        "budget_id": rule.budget_id,
        "threshold": Decimal(rule.threshold_permille) / 1000,
        "action": rule.action,
        "created_by": rule.created_by,
        "created_at": _time(rule.created_at_us),
    }


def shown_alert(alert: Alert) -> dict[str, Any]:
    def figure(amount: int | None) -> Decimal | int | None:
        return _usd(amount) if amount is not None and alert.unit == "usd" else amount

    return {
        "object": "alert",
        "id": alert.id,
        "kind": alert.kind.value,
        "action": alert.action,
        "budget_id": alert.budget_id or None,
        "scope_kind": alert.scope_kind,
        "scope_id": alert.scope_id,
        "scope_name": alert.scope_name or None,
        "model": alert.model or None,
        "unit": alert.unit,
        "period": alert.period or None,
        "threshold": Decimal(alert.threshold_permille) / 1000 if alert.threshold_permille else None,
        "limit": figure(alert.limit_amount) if alert.budget_id else None,
        "used": figure(alert.used),
        "projected": figure(alert.projected),
        "window_start": _time(alert.window_start_us),
        "window_end": _time(alert.window_end_us),
        "fired_at": _time(alert.fired_at_us),
    }


def shown_delivery(sent: MailStatus) -> dict[str, Any]:
    is_waiting = sent.status in {MailState.PENDING, MailState.SENDING}
    return {
        "object": "alert_delivery",
        "id": sent.id,
        "alert_id": sent.alert_id if sent.alert_id.startswith("alert_") else None,
        "type": sent.kind,
        "channel": sent.channel,
        "recipient": sent.recipient,
        "status": sent.status.value,
        "attempts": sent.attempts,
        "failure": sent.failure or None,
        "created_at": _time(sent.created_at_us),
        "delivered_at": _time(sent.delivered_at_us),
        "next_attempt_at": _time(sent.next_attempt_at_us) if is_waiting else None,
    }


def shown_target(target: AlertTarget) -> dict[str, Any]:
    return {
        "object": "alert_target",
        "id": target.id,
        "name": target.name,
        "kind": target.kind,
        "url": target.url_hint,
        "secret": None,
        "enabled": target.is_enabled,
        "created_at": _time(target.created_at_us),
        "updated_at": _time(target.updated_at_us),
    }


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else show_time(at_us)


def _usd(nanos: int) -> Decimal:
    return (Decimal(nanos) / NANOS_PER_USD).normalize() + 0
