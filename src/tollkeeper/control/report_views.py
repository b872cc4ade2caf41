"""Reports, their letters and settings as the JSON that programs get, from the API and the command line alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.control.report_settings import SettingsState
from tollkeeper.control.reports import FullReport, ReportState
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.report import Breakdown, BudgetAtRisk, Change, Mover, ReportContent, ReportLine, Sums
from tollkeeper.domain.report_calendar import WEEKDAYS
from tollkeeper.store.outbox import MailState
from tollkeeper.store.report_letters import ReportLetter

_WAITING = {MailState.PENDING, MailState.SENDING}


def status_of(state: ReportState) -> str:
    """Return how far a report has come: delivered to all, pending, failed for somebody, or not sent at all."""
    found = {each.status for each in state.letters}
    if not found:
        return "not_sent"
    if found & _WAITING:
        return "pending"
    return "delivered" if found == {MailState.DELIVERED} else "failed"


def shown_state(state: ReportState) -> dict[str, Any]:
    """Return a report without its content. `reason` is why its turn brought no letter."""
    entry = state.entry
    return {
        "object": "report",
        "id": entry.id,
        "kind": entry.kind,
        "first_day": entry.first_day,
        "last_day": entry.last_day,
        "made_at": show_time(entry.made_at_us),
        "scheduled_at": _time(entry.scheduled_at_us),
        "status": status_of(state),
        "reason": entry.unsent_because or None,
        "letters": [_shown_letter(each) for each in state.letters],
    }


def shown_entry(state: ReportState) -> dict[str, Any]:
    """Return a report as it stands in a list: with what its calls came to."""
    entry = state.entry
    return {
        **shown_state(state),
        "total_requests": entry.requests,
        "unpriced_requests": entry.unpriced_requests,
        "total_cost_usd": _usd(entry.cost_nanos),
    }


def shown_report(report: FullReport) -> dict[str, Any]:
    """Return a whole report; a preview has neither an id nor letters."""
    if report.state is not None:
        return {**shown_entry(report.state), "content": shown_content(report.content)}
    content = report.content
    return {
        "object": "report",
        "id": None,
        "kind": content.kind,
        "first_day": content.first_day,
        "last_day": content.last_day,
        "made_at": show_time(content.made_at_us),
        "scheduled_at": None,
        "status": "preview",
        "reason": None,
        "letters": [],
        "total_requests": content.total.requests,
        "unpriced_requests": content.total.unpriced_requests,
        "total_cost_usd": _usd(content.total.cost_nanos),
        "content": shown_content(content),
    }


def shown_content(content: ReportContent) -> dict[str, Any]:
    return {
        "organization": content.organization_name,
        "timezone": content.timezone,
        "from": show_time(content.from_us),
        "to": show_time(content.to_us),
        "before_from": show_time(content.before_from_us),
        "hours": (content.to_us - content.from_us) // 3_600_000_000,
        "total": _sums(content.total),
        "before": _sums(content.before),
        "change": _change(content.change),
        "estimated": _sums(content.estimated),
        "daily": [{"date": each.day, **_sums(each.sums)} for each in content.days],
        "by_model": _part(content.models),
        "by_team": _part(content.teams),
        "by_project": _part(content.projects),
        "most_used_model": content.most_used_model,
        "risen": [_mover(each) for each in content.risen],
        "fallen": [_mover(each) for each in content.fallen],
        "budgets_at_risk": [_budget(each) for each in content.budgets],
        "more_budgets_at_risk": content.budgets_more,
    }


def shown_settings(state: SettingsState) -> dict[str, Any]:
    settings = state.settings
    return {
        "object": "report_settings",
        "weekly": settings.weekly_since_us is not None,
        "monthly": settings.monthly_since_us is not None,
        "weekday": WEEKDAYS[settings.weekday],
        "hour": settings.hour,
        "timezone": state.timezone,
        "recipients": list(settings.recipients) or None,
        "receivers": [
            {"member_id": each.member_id, "email": each.email, "language": each.language} for each in state.receivers
        ],
        "next_weekly_at": _time(state.next_us.get("weekly")),
        "next_monthly_at": _time(state.next_us.get("monthly")),
        "sends_email": state.sends_email,
    }


def _shown_letter(letter: ReportLetter) -> dict[str, Any]:
    return {
        "id": letter.mail_id,
        "member_id": letter.member_id,
        "recipient": letter.recipient,
        "status": letter.status.value,
        "failure": letter.failure or None,
        "created_at": show_time(letter.created_at_us),
        "delivered_at": _time(letter.delivered_at_us),
    }


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "requests": sums.requests,
        "errors": sums.errors,
        "input_tokens": sums.input_tokens,
        "output_tokens": sums.output_tokens,
        "cost_usd": _usd(sums.cost_nanos),
        "unpriced_requests": sums.unpriced_requests,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "cost_usd": _usd(change.amount_nanos),
        "percent": None if change.permille is None else Decimal(change.permille) / 10,
        "is_new": change.is_new,
    }


def _line(line: ReportLine) -> dict[str, Any]:
    return {
        "id": line.value or None,
        "name": line.name or None,
        **_sums(line.now),
        "before": _sums(line.before),
        "change": _change(line.change),
    }


def _part(part: Breakdown) -> dict[str, Any]:
    return {
        "lines": [_line(each) for each in part.lines],
        "others_count": part.others_count,
        "others": _sums(part.others_now),
        "others_before": _sums(part.others_before),
    }


def _mover(mover: Mover) -> dict[str, Any]:
    return {"by": mover.by, **_line(mover.line)}


def _budget(budget: BudgetAtRisk) -> dict[str, Any]:
    def amount(value: int | None) -> Decimal | int | None:
        return _usd(value) if budget.unit == "usd" else value

    return {
        "budget_id": budget.budget_id,
        "scope_kind": budget.scope_kind,
        "scope_id": budget.scope_id,
        "scope_name": budget.scope_name or None,
        "model": budget.model or None,
        "unit": budget.unit,
        "period": budget.period,
        "limit": amount(budget.limit),
        "used": amount(budget.used),
        "percent": None if budget.used_permille is None else Decimal(budget.used_permille) / 10,
        "projected": amount(budget.projected),
        "resets_at": _time(budget.resets_at_us),
        "stopped": budget.is_stopped,
    }


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else show_time(at_us)


def _usd(nanos: int | None) -> Decimal | None:
    return None if nanos is None else (Decimal(nanos) / NANOS_PER_USD).normalize() + 0
