"""What budgets are called on pages, and their amounts as people write them."""

from __future__ import annotations

from tollkeeper.domain.budget import AlertAction, Enforcement, Period
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.limit import Unit
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import dollars, whole_number
from tollkeeper.web.visitor import Sent

PERIODS: dict[Period, str] = {
    "daily": _("per day"),
    "weekly": _("per week"),
    "monthly": _("per month"),
    "total": _("in all"),
}
UNITS: dict[Unit, str] = {
    "usd": _("US dollars"),
    "requests": _("requests"),
    "tokens": _("tokens"),
    "concurrent": _("calls at once"),
}
ACTIONS: dict[AlertAction, str] = {
    "email": _("an e-mail"),
    "slack": _("a Slack message"),
    "webhook": _("a webhook"),
    "disable": _("stop the calls"),
}
UNHEARD: dict[AlertAction, str] = {
    "email": _("Nobody is told by e-mail yet: this server sends none. Its operator can set that up."),
    "slack": _("Nobody is told in Slack yet: no Slack target is in use."),
    "webhook": _("Nobody is told by webhook yet: no webhook is in use."),
}
"""Why an alert reaches nobody."""


def amount_in(sent: Sent, unit: Unit) -> int:
    """Return the amount that a form states: nano-USD, or a count.

    Raises:
        InvalidRequest: it states none.
    """
    if unit == "usd":
        return dollars(sent, "amount")
    amount = whole_number(sent, "amount")
    if amount is None:
        raise InvalidRequest("Say how much.", param="amount")
    return amount


def enforcement_in(sent: Sent) -> Enforcement:
    """Return what a form says of the limit."""
    return Enforcement(
        hard_limit=bool(sent["hard_limit"]),
        notify_on_exceed=bool(sent["notify_on_exceed"]),
        auto_disable_on_exceed=bool(sent["auto_disable_on_exceed"]),
    )
