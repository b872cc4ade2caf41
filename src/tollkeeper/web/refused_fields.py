"""Which field of which form a refusal is about, so that the page can mark it and lead there."""

from __future__ import annotations

from typing import NamedTuple

from tollkeeper.domain.errors import InvalidRequest, LoginFailed, TollkeeperError
from tollkeeper.web.visitor import Sent

FIELDS: dict[str, tuple[str, ...]] = {
    "amount_usd": ("amount",),
    "budget_id": ("budget",),
    "expires_at": ("expires_on",),
    "labels": ("text",),
    "password": ("password", "new"),
    "project_id": ("project",),
    "request_id": ("text",),
    "scope_id": ("scope",),
    "statuses": ("status",),
    "cost_from_usd": ("cost_from",),
    "cost_to_usd": ("cost_to", "cost_from"),
    "group_by": ("by",),
    "period": ("period", "day"),
    "team_id": ("team",),
    "threshold": ("percent",),
    "permissions": ("permission",),
}
"""What use cases call a field -> what forms call it, where that is something else."""
_ONCE_LENGTH = 22
_OUR_OWN = frozenset({"csrf", "once", "do", "calendar", "token"})


class RefusedField(NamedTuple):
    """`names`: what the field may be called. `does` and `mark` tell the form that was sent from the others of its page."""

    names: tuple[str, ...]
    does: str
    mark: str


def refused_field(refusal: TollkeeperError | None, sent: Sent) -> RefusedField | None:
    """Return which field a refusal is about; None when it is about none, or nobody can tell."""
    names = _names(refusal, sent) if refusal is not None else ()
    return RefusedField(names, sent["do"], sent["once"][_ONCE_LENGTH:]) if names else None


def _names(refusal: TollkeeperError, sent: Sent) -> tuple[str, ...]:
    if isinstance(refusal, LoginFailed):
        return ("current",)
    named = (refusal.part or refusal.param or "") if isinstance(refusal, InvalidRequest) else ""
    if named:
        return FIELDS.get(named, (named,))
    said = refusal.public_message  # a name that is taken, a place that is gone: what was typed stands in the message
    typed = [(name, value.strip()) for name, value in sent.fields if name not in _OUR_OWN]
    return tuple(dict.fromkeys(name for name, value in typed if value and f"'{value}'" in said))
