"""Firing alerts: looks at budgets that moved, notes what is reached, and puts what is to be told into the outbox."""

from __future__ import annotations

import logging

import msgspec

from tollkeeper.control import alert_delivery, outbox
from tollkeeper.control.administration import Administration
from tollkeeper.control.outbox import About
from tollkeeper.domain.alert import Alert, AlertKind, AlertRule, AlertTarget, TargetKind, projected_overrun, reached
from tollkeeper.domain.audit import AuditEvent, shown_json
from tollkeeper.domain.budget import AlertAction
from tollkeeper.domain.tenancy import Place
from tollkeeper.kit.ids import new_id
from tollkeeper.notify import alert_messages
from tollkeeper.notify.reader import Reader
from tollkeeper.store import alert_scopes, alert_targets, alerts, audit, overruns
from tollkeeper.store.alerts import Fired, Watched
from tollkeeper.store.database_clock import database_now_us
from tollkeeper.store.engine import Connection
from tollkeeper.store.overruns import Overrun

OVERLAP_US = 60_000_000
"""What was looked at is looked at again for so long: a transaction may be committed later than the time it wrote, and not
every time is the database's clock's, as the look's own are."""
WHOLE_LOOK_US = 300_000_000
"""How often everything that runs is looked at: a budget that does not move may have other terms, its project other alerts."""
_PAGE = 2_000
_CHANNELS: tuple[AlertAction, ...] = ("email", "slack", "webhook")

_log = logging.getLogger(__name__)


class Watch:
    """Looks at what moved since it looked last; at its first look, and every few minutes, at everything that runs.

    Safe to run in several processes at once: what fires is decided by a row of which there can be one.
    """

    def __init__(self, administration: Administration, *, public_url: str) -> None:
        self._store, self._vault = administration.store, administration.secrets.vault
        self._audit_key, self._public_url = administration.secrets.audit_key, public_url
        self._since_us, self._saw_all_at_us = 0, 0

    async def look(self) -> int:
        """Fire what is due; returns how many alerts.

        Raises:
            StoreUnavailable: the database is out of reach; the next look sees the same again.
        """
        began_us = await self._store.read(database_now_us)
        if began_us - self._saw_all_at_us >= WHOLE_LOOK_US:
            self._since_us, self._saw_all_at_us = 0, began_us
        fired = await self._look_at_budgets(began_us) + await self._look_at_overruns(began_us)
        self._since_us = began_us - OVERLAP_US
        return fired

    async def _look_at_budgets(self, at_us: int) -> int:
        fired, after = 0, None
        while True:
            page = await self._store.read(
                lambda c, after=after: alerts.list_moved(  # type: ignore[misc]
                    c, since_us=self._since_us, now_us=at_us, after=after, limit=_PAGE
                )
            )
            if page:
                rules, known = await self._store.read(lambda c, page=page: _rules_and_fired(c, page))  # type: ignore[misc]
                for each in page:
                    due = due_alerts(each, rules[each.organization_id, each.budget_id], at_us=at_us)
                    fired += await self._fire_all([alert for alert in due if _once(alert) not in known], each)
            if len(page) < _PAGE:
                return fired
            after = page[-1].key

    async def _look_at_overruns(self, at_us: int) -> int:
        since_us = self._since_us or at_us - OVERLAP_US
        found = await self._store.read(lambda c: overruns.list_overruns(c, since_us=since_us))
        fired = 0
        for each in found:
            fired += await self._store.write(lambda c, each=each: self._fire_overrun(c, each, at_us=at_us))  # type: ignore[misc]
        return fired

    async def _fire_all(self, due: list[Alert], watched: Watched) -> int:
        """Fire what is due of a budget; of several thresholds one e-mail tells, which says what is really used."""
        mailed = the_one_mailed(due)
        fired = 0
        for each in due:
            is_mailed = each.kind is not AlertKind.THRESHOLD or each is mailed
            fired += await self._store.write(
                lambda c, each=each, is_mailed=is_mailed: self._fire(c, each, watched, is_mailed=is_mailed)  # type: ignore[misc]
            )
        return fired

    async def _fire(self, connection: Connection, due: Alert, watched: Watched, *, is_mailed: bool) -> bool:
        scope = await alert_scopes.read_scope(connection, due.organization_id, due.scope_kind, due.scope_id)
        complete = msgspec.structs.replace(
            due, scope_name=scope.name, team_id=scope.place.team_id, project_id=scope.place.project_id
        )
        if not await alerts.note_fired(connection, complete):
            return False
        if complete.action == "disable":
            stopped = await alerts.stop_budget(
                connection, watched.key, scope_id=complete.scope_id, now_us=complete.fired_at_us
            )
            if stopped:
                await self._record_stop(connection, complete)
        await self._tell(connection, complete, scope.place, is_mailed=is_mailed)
        return True

    async def _fire_overrun(self, connection: Connection, found: Overrun, *, at_us: int) -> bool:
        start_us = found.hour * overruns.US_PER_HOUR
        alert = Alert(
            organization_id=found.organization_id,
            id=new_id("alert"),
            kind=AlertKind.OVERRUN,
            action="email",
            fired_at_us=at_us,
            window_start_us=start_us,
            window_end_us=start_us + overruns.US_PER_HOUR,
            used=found.excess_nanos,
            scope_id=found.organization_id,
        )
        if not await alerts.note_fired(connection, alert):
            return False
        _log.warning(
            "%d calls of organization %s came to %d nano-USD more than was reserved for them; the worst was req_%s",
            found.calls,
            found.organization_id,
            found.excess_nanos,
            found.worst_call_id.hex(),
        )
        await self._tell(connection, alert, Place(found.organization_id), is_mailed=True)
        return True

    async def _tell(self, connection: Connection, alert: Alert, place: Place, *, is_mailed: bool) -> None:
        """Put what is told of an alert into the outbox; of calls that were stopped everybody is told."""
        organization = await alert_scopes.read_organization(connection, alert.organization_id)
        told = _CHANNELS if alert.action == "disable" or alert.kind is AlertKind.OVERRUN else (alert.action,)
        if is_mailed and "email" in told:
            await self._mail(connection, alert, place, organization)
        for target in await alert_targets.list_targets(connection, alert.organization_id):
            if target.is_enabled and target.kind in told:
                await self._post(connection, alert, target, organization)

    async def _mail(
        self, connection: Connection, alert: Alert, place: Place, organization: alert_scopes.Addressee
    ) -> None:
        """Write to everybody who manages quotas there; that there is nobody is noted among what was sent."""
        kind = alert_messages.type_of(alert)
        managers = await alert_targets.list_managers(connection, place)
        if not managers:
            about = About(kind, alert.organization_id, alert.id)
            await alert_delivery.note_nobody(connection, about, at_us=alert.fired_at_us)
        for each in managers:
            reader = Reader(each.language, organization.timezone, self._public_url)
            await outbox.post(
                connection,
                self._vault,
                alert_messages.email(reader, alert, organization=organization.name),
                kind=kind,
                recipient=each.email,
                organization_id=alert.organization_id,
                alert_id=alert.id,
            )

    async def _post(
        self, connection: Connection, alert: Alert, target: AlertTarget, organization: alert_scopes.Addressee
    ) -> None:
        about = About(alert_messages.type_of(alert), alert.organization_id, alert.id)
        reader = Reader(organization.language, organization.timezone, self._public_url)
        body = body_for(target.kind, alert, reader, organization=organization.name)
        await outbox.post_to_target(
            connection, self._vault, body, target_id=target.id, channel=target.kind, about=about
        )

    async def _record_stop(self, connection: Connection, alert: Alert) -> None:
        event = AuditEvent(
            organization_id=alert.organization_id,
            number=0,
            id=new_id("audit"),
            at_us=alert.fired_at_us,
            actor_kind="alert",
            actor_id=alert.id,
            actor_name=f"alert at {alert.threshold_permille / 10:g} %",
            address="",
            request_id="",
            action="budget.stop",
            target_kind="budget",
            target_id=alert.budget_id,
            target_name=f"{alert.scope_kind} {alert.period}",
            before=shown_json({"stopped": False}),
            after=shown_json({"stopped": True}),
        )
        await audit.append_events(connection, alert.organization_id, [event], key=self._audit_key)


def due_alerts(watched: Watched, rules: list[AlertRule], *, at_us: int) -> list[Alert]:
    """Return what a budget's figures call for, whether it fired before or not; scope's name and place are still missing."""
    found = [
        _alert(watched, AlertKind.THRESHOLD, each.action, at_us, threshold_permille=each.threshold_permille)
        for each in reached(watched.used, watched.limit, rules)
        if each.action != "disable" or not watched.is_stopped
    ]
    projected = projected_overrun(
        watched.used, watched.limit, start_us=watched.window_start_us, end_us=watched.window_end_us, at_us=at_us
    )
    if projected is not None:
        told = sorted({each.action for each in rules if each.action != "disable"})
        found += [_alert(watched, AlertKind.PROJECTED, each, at_us, projected=projected) for each in told]
    return found


def the_one_mailed(due: list[Alert]) -> Alert | None:
    """Return which of a budget's thresholds is told by e-mail: that calls were stopped, else the highest."""
    mailed = [each for each in due if each.kind is AlertKind.THRESHOLD and each.action in {"email", "disable"}]
    return max(mailed, key=lambda each: (each.action == "disable", each.threshold_permille), default=None)


def body_for(kind: TargetKind, alert: Alert, reader: Reader, *, organization: str) -> bytes:
    """Return what a target of this kind is posted."""
    if kind == "slack":
        return alert_messages.text(reader, alert, organization=organization).encode()
    return alert_messages.event(alert, organization=organization)


def _alert(watched: Watched, kind: AlertKind, action: AlertAction, at_us: int, **more: int) -> Alert:
    return Alert(
        organization_id=watched.organization_id,
        id=new_id("alert"),
        kind=kind,
        action=action,
        fired_at_us=at_us,
        window_start_us=watched.window_start_us,
        window_end_us=watched.window_end_us,
        limit_amount=watched.limit,
        used=watched.used,
        budget_id=watched.budget_id,
        scope_kind=watched.scope_kind,
        scope_id=watched.scope_id,
        model=watched.model,
        unit=watched.unit,
        period=watched.period,
        threshold_permille=more.get("threshold_permille", 0),
        projected=more.get("projected"),
    )


async def _rules_and_fired(
    connection: Connection, page: list[Watched]
) -> tuple[dict[tuple[str, str], list[AlertRule]], set[Fired]]:
    return await alerts.read_rules(connection, page), await alerts.read_fired(connection, [each.key for each in page])


def _once(alert: Alert) -> Fired:
    return (
        alert.organization_id,
        alert.budget_id,
        alert.window_start_us,
        alert.kind.value,
        alert.threshold_permille,
        alert.action,
        alert.limit_amount,
    )
