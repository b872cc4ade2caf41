"""What a page says about the change that led to it. The address carries a word for it, never the text."""

from __future__ import annotations

from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.visitor import Visitor

NOTICES: dict[str, str] = {
    "saved": _("Saved."),
    "created": _("Created."),
    "deleted": _("Deleted."),
    "key-disabled": _("The key is disabled. Every server refuses it within a second."),
    "key-enabled": _("The key works again."),
    "key-deleted": _("The key is deleted."),
    "budget-saved": _("The budget is set."),
    "budget-below": _("The budget is set, below what is used already."),
    "budget-below-refuses": _(
        "The budget is set, below what is used already: its calls are refused until it begins anew or is raised."
    ),
    "budget-model-doubtful": _(
        "The budget is set, though no known model has this name. Look whether it is written right: it holds calls that name it so."
    ),
    "budget-replaced": _("There was such a budget already; it is changed now."),
    "budget-raised": _("The budget is raised. Every server lets calls in by it within a second."),
    "increase-ended": _("It is ended: the budget is what it was before."),
    "budget-deleted": _("The budget is removed."),
    "asked": _(
        "Asked. Whoever manages this budget decides; you are told here, and by e-mail where the server sends any."
    ),
    "approved": _("Granted. Every server lets calls in by it within a second."),
    "denied": _("Denied."),
    "withdrawn": _("The request is taken back."),
    "alert-added": _("The alert is set."),
    "alert-without-email": _(
        "The alert is set, but nobody is told yet: this server sends no e-mail. Its operator can set that up."
    ),
    "alert-without-slack": _(
        "The alert is set, but nobody is told yet: no Slack target is in use. Whoever manages all budgets adds one under "
        "“Slack and webhooks” on the page of alerts."
    ),
    "alert-without-webhook": _(
        "The alert is set, but nobody is told yet: no webhook is in use. Whoever manages all budgets adds one under "
        "“Slack and webhooks” on the page of alerts."
    ),
    "alert-removed": _("The alert is removed."),
    "project-moved": _("The project is in another team now."),
    "project-deleted": _("The project is deleted. Its keys stop working within a second."),
    "team-deleted": _("The team is deleted."),
    "invite-withdrawn": _("The invitation is withdrawn."),
    "person-removed": _("The person is removed. Their own keys are disabled."),
    "invited": _("The invitation is on its way."),
    "sessions-ended": _("The other sessions are ended."),
    "sent": _("Sent."),
    "playground-ended": _("The key of the playground is ended."),
    "provider-saved": _("The provider is in use on every server within a second."),
    "sent-again": _("It is tried once more, now."),
    "resumed": _("Calls are let in again, as far as the budget has something left."),
    "test-sent": _("The test is on its way; below is how it ends."),
    "granted": _("The credit is granted. Calls may use it at once."),
    "voided": _("What was left of the grant is taken back."),
    "credit-required": _("Calls need credit from now on."),
    "credit-not-required": _("Calls go on without credit."),
    "price-added": _("The price is added. Every server follows within a second."),
    "price-doubtful": _("The price is added, though no known model has this name. Look whether it is written right."),
    "price-there": _("This price is in force already; nothing was added."),
}

WARNINGS = frozenset(
    {
        "budget-below",
        "budget-below-refuses",
        "budget-model-doubtful",
        "budget-replaced",
        "alert-without-email",
        "alert-without-slack",
        "alert-without-webhook",
    }
)
"""What was done, and is not what one may have meant."""


def notice_of(visitor: Visitor) -> str:
    """Return what to say; "" for nothing."""
    text = NOTICES.get(visitor.query["done"])
    return visitor._(text) if text else ""


def is_warning(visitor: Visitor) -> bool:
    """Tell whether what there is to say is a warning."""
    return visitor.query["done"] in WARNINGS
