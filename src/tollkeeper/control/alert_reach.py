"""Whether an alert reaches anybody: by e-mail only where the server sends any, else where a target of its kind is in use."""

from __future__ import annotations

from tollkeeper.control.administration import Action
from tollkeeper.domain.access import require_somewhere
from tollkeeper.domain.budget import AlertAction
from tollkeeper.store import alert_targets

READ = "quota:read"


async def unheard_actions(action: Action, *, sends_email: bool) -> frozenset[AlertAction]:
    """Return the actions that tell somebody, and at the moment tell nobody.

    Raises:
        PermissionDenied: the caller may read budgets nowhere.
    """
    require_somewhere(action.caller.principal, READ)
    heard: set[AlertAction] = {"email"} if sends_email else set()
    targets = await alert_targets.list_targets(action.connection, action.organization_id)
    heard |= {each.kind for each in targets if each.is_enabled}
    telling: frozenset[AlertAction] = frozenset({"email", "slack", "webhook"})
    return telling - heard
