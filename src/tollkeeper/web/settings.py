"""The page of an organization's settings: name, time zone, language, where its months begin, and what it asks of keys and calls."""

from __future__ import annotations

from typing import get_args

from starlette.responses import Response

from tollkeeper.control import organizations
from tollkeeper.control.organizations import KEY_AGE_MAX_DAYS, MONTH_START_MAX
from tollkeeper.domain.access import require
from tollkeeper.domain.currency import DisplayCurrency, format_rate, parse_rate
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import KeyPolicy, Language
from tollkeeper.kit.clock import now_us
from tollkeeper.web.answers import go, page
from tollkeeper.web.budget_words import PERIODS
from tollkeeper.web.calendar_changes import WindowChange, window_changes
from tollkeeper.web.fields import lines_in, ungrouped, whole_number
from tollkeeper.web.timezones import TIMEZONES
from tollkeeper.web.visitor import Sent, Visitor


async def show(visitor: Visitor) -> Response:
    """Answer the page, with what was sent when it was refused."""
    return await _answer(visitor, [])


async def _answer(visitor: Visitor, changes: list[WindowChange]) -> Response:
    """Answer the page; `changes` are to be confirmed before what was sent is saved."""
    require(visitor.principal, "org:manage", visitor.whole)
    organization = await visitor.look(organizations.get_organization, visitor.organization.id)
    policy = organization.policy
    sent = visitor.form
    if sent["do"] not in {"general", "policy", "currency"}:
        sent = Sent([])
    general = sent if sent["do"] == "general" else None
    wanted = sent if sent["do"] == "policy" else None
    return await page(
        visitor,
        "settings.html",
        organization=organization,
        name=general["name"] if general else organization.name,
        sent=general or Sent([("timezone", organization.timezone)]),
        timezones=TIMEZONES,
        language=general["language"] if general else organization.language,
        month_start=general["fiscal_month_start"] if general else str(organization.fiscal_month_start),
        key_age=wanted["key_age_max_days"] if wanted else str(policy.key_age_max_days or ""),
        is_expiry_required=bool(wanted["key_expiry"]) if wanted else policy.is_key_expiry_required,
        required_labels=wanted["required_labels"] if wanted else "\n".join(policy.required_labels),
        currency=sent if sent["do"] == "currency" else _shown_currency(organization.display_currency),
        key_age_max=KEY_AGE_MAX_DAYS,
        month_start_max=MONTH_START_MAX,
        changes=changes,
        calendar=_calendar(sent),
        periods=PERIODS,
    )


async def act(visitor: Visitor) -> Response:
    """Do what one of the page's forms asks for."""
    sent, here = visitor.form, f"{visitor.home}/settings"
    match sent["do"]:
        case "general":
            month_start = whole_number(sent, "fiscal_month_start") or 0
            changes = window_changes(
                visitor.organization, timezone=sent["timezone"].strip(), month_start=month_start, at_us=now_us()
            )
            if changes and sent["calendar"] != _calendar(sent):
                return await _answer(visitor, changes)
            await visitor.change(
                organizations.update_organization,
                visitor.organization.id,
                name=sent["name"],
                timezone=sent["timezone"].strip(),
                language=_language(sent),
                fiscal_month_start=month_start,
            )
        case "policy":
            policy = KeyPolicy(
                key_age_max_days=whole_number(sent, "key_age_max_days"),
                is_key_expiry_required=bool(sent["key_expiry"]),
                required_labels=tuple(lines_in(sent["required_labels"])),
            )
            await visitor.change(organizations.update_organization, visitor.organization.id, policy=policy)
        case "currency":
            chosen = _currency(sent)
            await visitor.change(organizations.update_organization, visitor.organization.id, display_currency=chosen)
        case _:
            raise InvalidRequest("This page has no such button.", param="do")
    return go(here, notice="saved")


def _calendar(sent: Sent) -> str:
    """Return the calendar that a form asks for, as who confirms it sends it along: another one is told of anew."""
    return f"{sent['timezone'].strip()} {sent['fiscal_month_start'].strip()}"


def _currency(sent: Sent) -> DisplayCurrency | None:
    """Return the currency that amounts are shown in beside dollars; None for none.

    Raises:
        InvalidRequest: no rate.
    """
    code = sent["code"].strip().upper()
    if not code:
        return None
    try:
        rate_micros = parse_rate(ungrouped(sent, "rate"))
    except ValueError as error:
        raise InvalidRequest(f"{error}.", param="rate") from None
    return DisplayCurrency(code, rate_micros, sent["rate_date"], sent["source"])


def _shown_currency(currency: DisplayCurrency | None) -> Sent:
    if currency is None:
        return Sent([])
    return Sent(
        [
            ("code", currency.code),
            ("rate", format_rate(currency.rate_micros)),
            ("rate_date", currency.rate_date),
            ("source", currency.source),
        ]
    )


def _language(sent: Sent) -> Language:
    found: Language | None = next((each for each in get_args(Language) if each == sent["language"]), None)
    if found is None:
        raise InvalidRequest(f"Choose one of {', '.join(get_args(Language))}.", param="language")
    return found
