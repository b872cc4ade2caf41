"""Alerts as people manage them: rules on budgets, what fired, what was sent of it, and letting stopped calls in again."""

from __future__ import annotations

import msgspec

from tollkeeper.control import budgets
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.budget_scopes import Scope, scope_of
from tollkeeper.control.scopes import reach_of
from tollkeeper.domain.alert import RULES_PER_BUDGET_MAX, THRESHOLD_PERMILLE_MAX, Alert, KeptRule
from tollkeeper.domain.budget import AlertAction
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.kit.ids import new_id
from tollkeeper.store import alert_rules, alerts, outbox
from tollkeeper.store.outbox import MailStatus

MANAGE, READ = "quota:manage", "quota:read"
CREDIT = "credit"
"""What stands for the budget that the organization's credit is, whose id nobody knows by heart."""


async def create_rule(action: Action, budget_id: str, *, threshold_permille: int, does: AlertAction) -> KeptRule:
    """Say what is to happen when so much of a budget, or of the `CREDIT`, is used; when that is so already, at once.

    Raises:
        NotFound: there is no budget of this id that the caller may know of.
        PermissionDenied: the caller may not set it.
        InvalidRequest: a threshold that cannot be, or the budget is one of calls at once.
        Conflict: it has the same rule, or as many as it may have.
    """
    budget_id = await _meant(action, budget_id)
    scope = await _require_managed(action, budget_id)
    _check_threshold(threshold_permille)
    if await alert_rules.unit_of(action.connection, action.organization_id, budget_id) == "concurrent":
        raise InvalidRequest(
            "Calls at once are used up and come back all the time; they have no alerts.", param="budget_id"
        )
    if await alert_rules.count_rules(action.connection, action.organization_id, budget_id) >= RULES_PER_BUDGET_MAX:
        raise Conflict(f"A budget can have {RULES_PER_BUDGET_MAX} rules.")
    made = KeptRule(
        action.organization_id,
        new_id("rule"),
        budget_id,
        threshold_permille,
        does,
        action.caller.principal.id,
        action.now_us,
    )
    await alert_rules.create_rule(action.connection, made)
    await alerts.look_again(action.connection, action.organization_id, budget_id)
    action.record("alert_rule.create", _target(made, scope), after=_shown(made))
    return made


async def change_rule(
    action: Action, rule_id: str, *, threshold_permille: int | None = None, does: AlertAction | None = None
) -> KeptRule:
    """Change a rule; None stays. What it has fired before stays fired.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        PermissionDenied: the caller may not set its budget.
        InvalidRequest: a threshold that cannot be.
        Conflict: the budget has the same rule already.
    """
    before, scope = await _require_rule(action, rule_id)
    after = msgspec.structs.replace(
        before,
        threshold_permille=before.threshold_permille if threshold_permille is None else threshold_permille,
        action=does or before.action,
    )
    _check_threshold(after.threshold_permille)
    await alert_rules.change_rule(action.connection, after)
    await alerts.look_again(action.connection, action.organization_id, after.budget_id)
    action.record("alert_rule.update", _target(after, scope), before=_shown(before), after=_shown(after))
    return after


async def delete_rule(action: Action, rule_id: str) -> KeptRule:
    """Delete a rule.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        PermissionDenied: the caller may not set its budget.
    """
    found, scope = await _require_rule(action, rule_id)
    await alert_rules.delete_rule(action.connection, action.organization_id, rule_id)
    action.record("alert_rule.delete", _target(found, scope), before=_shown(found))
    return found


async def list_rules(
    action: Action, *, budget_id: str | None = None, after: str | None = None, limit: int = 100
) -> list[KeptRule]:
    """Return the rules on budgets that the caller may read.

    Raises:
        NotFound: there is no budget of this id that the caller may know of.
        PermissionDenied: the caller may not read it.
    """
    if budget_id is not None:
        budget_id = await _meant(action, budget_id)
        (await _scope_of(action, budget_id)).require_read(action)
    reach = reach_of(action.caller.principal, READ) if budget_id is None else None
    return await alert_rules.list_rules(
        action.connection, action.organization_id, budget_id=budget_id, reach=reach, after=after, limit=limit
    )


async def list_alerts(action: Action, *, after: str | None = None, limit: int = 100) -> list[Alert]:
    """Return what fired for budgets that the caller may read, newest first."""
    reach = reach_of(action.caller.principal, READ)
    return await alerts.list_alerts(action.connection, action.organization_id, reach=reach, after=after, limit=limit)


async def list_deliveries(action: Action, *, after: str | None = None, limit: int = 100) -> list[MailStatus]:
    """Return what was sent of alerts, newest first.

    Raises:
        PermissionDenied: the caller does not manage the organization's quotas.
    """
    action.require(MANAGE, action.organization)
    return await outbox.list_of_alerts(action.connection, action.organization_id, after=after, limit=limit)


async def retry_delivery(action: Action, delivery_id: str) -> MailStatus:
    """Have a message that was given up tried once more, now.

    Raises:
        NotFound: there is none of this id.
        PermissionDenied: the caller does not manage the organization's quotas.
        Conflict: it was not given up, or is for nobody.
    """
    action.require(MANAGE, action.organization)
    found = await outbox.get_of_alert(action.connection, action.organization_id, delivery_id)
    if found is None:
        raise NotFound(f"There is no delivery '{delivery_id}'.")
    if not found.recipient:
        raise Conflict("Nobody may receive it; there is nothing to try again.")
    if not await outbox.revive_mail(action.connection, action.organization_id, delivery_id, now_us=action.now_us):
        raise Conflict(f"The delivery is {found.status.value}; only one that was given up can be tried again.")
    action.record("alert_delivery.retry", Target("alert_delivery", delivery_id), before={"status": found.status.value})
    revived = await outbox.get_of_alert(action.connection, action.organization_id, delivery_id)
    assert revived is not None, "it was there a moment ago"
    return revived


async def resume_budget(action: Action, budget_id: str) -> bool:
    """Let calls in again that an alert stopped, as far as the budget has something left; False when it was not stopped.

    Raises:
        NotFound: there is no budget of this id that the caller may know of.
        PermissionDenied: the caller may not set it.
    """
    scope = await _require_managed(action, budget_id)
    resumed = await alerts.resume_budget(
        action.connection, action.organization_id, budget_id, scope_id=scope.id, now_us=action.now_us
    )
    if resumed:
        about = Target("budget", budget_id, f"{scope.kind} {scope.name}".strip())
        action.record("budget.resume", about, before={"stopped": True}, after={"stopped": False})
    return resumed


async def find_credit(action: Action) -> str | None:
    """Return the budget that the organization's credit is; None while it has none.

    Raises:
        PermissionDenied: the caller may not read the organization's quotas.
    """
    action.require(READ, action.organization)
    return await alert_rules.find_credit(action.connection, action.organization_id)


async def _meant(action: Action, budget_id: str) -> str:
    """Return a budget's id, also for the word that stands for the credit."""
    if budget_id != CREDIT:
        return budget_id
    found = await find_credit(action)
    if found is None:
        raise NotFound("The organization has no credit yet; grant some first.")
    return found


async def _scope_of(action: Action, budget_id: str) -> Scope:
    """Return whose budget it is; the credit is the organization's."""
    if await alert_rules.is_credit(action.connection, action.organization_id, budget_id):
        return scope_of(action.organization)
    return (await budgets.find_budget(action, budget_id))[1]


async def _require_managed(action: Action, budget_id: str) -> Scope:
    scope = await _scope_of(action, budget_id)
    scope.require_manage(action)
    return scope


async def _require_rule(action: Action, rule_id: str) -> tuple[KeptRule, Scope]:
    unknown = NotFound(f"There is no rule '{rule_id}'.")
    found = await alert_rules.get_rule(action.connection, action.organization_id, rule_id)
    if found is None:
        raise unknown
    try:
        return found, await _require_managed(action, found.budget_id)
    except NotFound:
        raise unknown from None


def _check_threshold(permille: int) -> None:
    if not 1 <= permille <= THRESHOLD_PERMILLE_MAX:
        message = f"A threshold is a part of the budget from 0.001 to {THRESHOLD_PERMILLE_MAX // 1000}: 0.8 is 80 %."
        raise InvalidRequest(message, param="threshold")


def _target(rule: KeptRule, scope: Scope) -> Target:
    return Target("alert_rule", rule.id, f"{scope.kind} {scope.name}".strip())


def _shown(rule: KeptRule) -> dict[str, object]:
    return {"budget_id": rule.budget_id, "threshold_permille": rule.threshold_permille, "action": rule.action}
